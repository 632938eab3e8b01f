"""``condetr export``: a model as a graph for other programs, compared with the model first."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import condetr
from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.command import CommonSettings
from condetr.cli.settings.model_settings import Model, Revision, model_or_bundled
from condetr.cli.settings.shared import height_and_width_of
from condetr.core.errors import SettingsError
from condetr.core.names import GraphFormat
from condetr.export.graph_formats import check_combination, libraries_of
from condetr.workflows.export_options import GraphOptions

if TYPE_CHECKING:
    from condetr.workflows.export import Exported


@dataclass(frozen=True, kw_only=True)
class ExportSettings(GraphOptions, CommonSettings):
    model: Model = None
    revision: Revision = None
    format: Annotated[GraphFormat, "what to write"] = "onnx"
    image_size: Annotated[str | None, "HEIGHTxWIDTH of the only image, with --no-dynamic"] = None
    pictures: Annotated[str | None, "folder or file of images to compare on, and to calibrate int8 with"] = None
    data: Annotated[Path | None, "labeled images: int8 is calibrated on train, and its AP measured on val"] = None
    output: Annotated[Path | None, "new folder; default: runs/export"] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.image_size is not None:
            height_and_width_of(self.image_size)
            if self.dynamic:
                raise SettingsError("is for a graph of one size", item="image_size", hint="give --no-dynamic, too")
        check_combination(self.format, self.precision, dynamic=self.dynamic)
        if self.precision == "int8" and self.pictures is None and self.data is None:
            hint = "give --pictures like those it will see, or --data with a train split"
            raise SettingsError("int8 is calibrated on images", item="pictures", hint=hint)
        if self.data is not None and self.precision != "int8":
            raise SettingsError("is for int8, whose AP is measured", item="data", hint="give --pictures")


def export(settings: ExportSettings, reporter: Reporter) -> None:
    """Write a model as a graph for ONNX, OpenVINO, torch.export, ExecuTorch or TensorRT.

    The folder holds the graph, labels and preprocessing, so that condetr predict, evaluate and benchmark take it as a
    model. Exit status: 7 a library is not installed, 8 the graph differs from the model.
    """
    reference = model_or_bundled(settings.model, reporter)

    libraries_of(settings.format, settings.precision)
    size = None if settings.image_size is None else height_and_width_of(settings.image_size)
    model = condetr.load(reference, revision=settings.revision, device=settings.device)
    reporter.detail(f"condetr: exporting {reference} as {settings.format}")
    done = model.export(
        settings.format,
        output=settings.output,
        image_size=size,
        pictures=settings.pictures,
        data=settings.data,
        **{spec.name: getattr(settings, spec.name) for spec in fields(GraphOptions)},
    )
    reporter.result("\n".join(_lines(done)), {"output": str(done.folder)} | done.record)


def _lines(done: "Exported") -> list[str]:
    record = done.record
    shapes = {side: ", ".join(map(_shape, record[side].items())) for side in ("inputs", "outputs")}
    size = sum(record["files"].values()) / 1e6
    return [
        f"{done.folder}: {record['format']} in {record['precision']}, {size:.1f} MB",
        f"takes    {shapes['inputs']}",
        f"gives    {shapes['outputs']}",
        *_masks(record),
        *_weights(record),
        *_agreement(record),
    ]


def _masks(record: dict[str, Any]) -> list[str]:
    if (graph := record["masks"]) is None:
        return []
    masks, chosen = graph["outputs"]["masks"], graph["inputs"]["chosen"]
    return [f"and      {_shape(('masks', masks))} of {_shape(('chosen', chosen))} embeddings, by a second graph"]


def _weights(record: dict[str, Any]) -> list[str]:
    words = {"any": "of 7 bits, for any processor", "vnni": "of 8 bits, for processors with VNNI"}
    return [f"weights  {words[record['target']]}"] if record["precision"] == "int8" else []


def _shape(named: tuple[str, dict[str, Any]]) -> str:
    name, value = named
    return f"{name} [{', '.join(map(str, value['shape']))}]"


def _agreement(record: dict[str, Any]) -> list[str]:
    if (verified := record["verification"]) is not None:
        cases = ", ".join(
            f"{case['batch']}x{case['size'][0]}x{case['size'][1]}{' padded' if case['padded'] else ''}"
            for case in verified["cases"]
        )
        compared = ("logits", "boxes", "scores", *(("masks",) if record["masks"] is not None else ()))
        of = ", ".join(name for name in verified["bounded"] if name in compared)
        return [f"verified largest difference {verified['difference']:.1e} of {of} on {cases}"]
    accuracy = record["accuracy"]
    if accuracy is None:
        return ["verified not at all: --no-verify"]
    if (lost := accuracy.get("ap")) is not None:
        kinds = {"AP": lost} | ({} if lost["masks"] is None else {"mask AP": lost["masks"]})
        pairs = {
            name: (100 * averages_of_kind["graph"], 100 * averages_of_kind["model"])
            for name, averages_of_kind in kinds.items()
        }
        averages = "; ".join(f"{name} {graph:.2f}, the model's {model:.2f}" for name, (graph, model) in pairs.items())
        return [f"accuracy {averages}; on {lost['pictures']} images"]
    again = accuracy["found_again"]
    counts = f"{again['again']} of {again['detections']} detections found again, {again['more']} more"
    return [f"accuracy {counts}, on {again['pictures']} images that it was not calibrated on"]
