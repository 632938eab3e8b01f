"""``condetr info``: what a model is."""

from dataclasses import dataclass
from typing import Annotated, Any

import typer

import condetr
from condetr.cli.output.reporting import Reporter, jsonable
from condetr.cli.settings.command import CommonSettings
from condetr.cli.settings.model_settings import Compile, Precision, Revision
from condetr.cli.settings.shared import height_and_width_of


@dataclass(frozen=True, kw_only=True)
class InfoSettings(CommonSettings):
    image_size: Annotated[str | None, "HEIGHTxWIDTH to count operations for; else what the model makes of 480x640"] = (
        None
    )
    revision: Revision = None
    detector_only: Annotated[bool, "of a segmenter, show the detector only"] = False
    speed: Annotated[bool, "list the optimizations on this device, and those left out, with reasons"] = False
    precision: Precision = "fp32"
    compile: Compile = False


_Reference = Annotated[str, typer.Argument(help="Hub id, model folder, run folder or weights file.", metavar="REF")]


def info(reference: _Reference, settings: InfoSettings, reporter: Reporter) -> None:
    """Show parameters, operations, classes, architecture and origin of a model."""
    size = None if settings.image_size is None else height_and_width_of(settings.image_size)
    model = condetr.load(
        reference,
        revision=settings.revision,
        detector_only=settings.detector_only,
        device=settings.device,
        precision=settings.precision,
        compile=settings.compile,
    )
    found = jsonable(model.info(size) | ({"speed": model.speed()} if settings.speed else {}))
    reporter.result("\n".join(_lines(found)), found)


def _lines(found: dict[str, Any]) -> list[str]:
    height, width = found["flops_image_size"]
    classes = [name for name in found["classes"].values() if name != "N/A"]
    shown = ", ".join(classes[:20]) + (f" and {len(classes) - 20} more" if len(classes) > 20 else "")
    architecture = dict(found["architecture"])
    backbone = architecture.pop("backbone")
    return [
        f"model         {found['path']}" + (f" at commit {found['revision']}" if found["revision"] else ""),
        f"parameters    {found['parameters']:,}",
        f"operations    {found['flops'] / 1e9:.1f} GFLOP for an image of {height}x{width}",
        f"classes       {len(classes)}: {shown}",
        f"backbone      {_pairs(backbone)}",
        f"transformer   {_pairs(architecture)}",
        f"preprocessing {_pairs(found['preprocessing'])}",
        f"names         {found['dialect']}",
        *(f"note          {note}" for note in found["notes"]),
        *_speed_lines(found.get("speed", {"done": [], "left_out": []})),
    ]


def _speed_lines(speed: dict[str, Any]) -> list[str]:
    done = [f"speed         {step}" for step in speed["done"]]
    kept = [f"compiled code {speed['compiled_code']}"] if "compiled_code" in speed else []
    return done + kept + [f"left out      {step}" for step in speed["left_out"]]


def _pairs(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)
