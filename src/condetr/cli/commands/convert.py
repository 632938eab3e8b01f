"""``condetr convert``: any checkpoint that condetr reads, as a model folder that everyone reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.command import CommonSettings
from condetr.cli.settings.shared import names_in
from condetr.core.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class ConvertSettings(CommonSettings):
    classes: Annotated[Path | None, "text file with the class names in order, one per line"] = None
    backbone: Annotated[str | None, "name of the backbone, such as resnet50, instead of the checkpoint's"] = None
    detector_only: Annotated[bool, "of a segmenter, convert the detector and leave the mask head out"] = False
    precision: Annotated[
        Literal["fp32", "fp16"], "of the stored weights; fp16 files have half the size and are loaded as fp32"
    ] = "fp32"
    revision: Annotated[str | None, "branch, tag or commit, for a hub id"] = None


_Checkpoint = Annotated[
    str, typer.Argument(help="The authors' .pth, a .bin or .safetensors, a model folder or hub id.")
]
_Out = Annotated[Path, typer.Argument(help="A new or empty folder.")]


def convert(checkpoint: _Checkpoint, out: _Out, settings: ConvertSettings, reporter: Reporter) -> None:
    """Rewrite a checkpoint as a model folder.

    The folder holds config.json, model.safetensors, preprocessor_config.json and a model card; condetr,
    transformers 4 and transformers 5 read it; a note says where transformers cannot build the backbone.
    """
    names = None if settings.classes is None else names_in(settings.classes)

    import torch

    from condetr.checkpoints.config.backbone_writing import why_not_transformers
    from condetr.checkpoints.loading import load
    from condetr.checkpoints.saving import save
    from condetr.files.new_folder import new_folder
    from condetr.images.preprocessing import Preprocessing

    with new_folder(out, hint="give a new folder; nothing is overwritten"):
        overrides = {} if settings.backbone is None else {"backbone": settings.backbone}
        found = load(checkpoint, detector_only=settings.detector_only, overrides=overrides, revision=settings.revision)
        labels = found.labels if names is None else _named(names, found.labels, settings.classes)
        save(
            out,
            found.detector,
            labels,
            source_ids=found.source_ids,
            flat=found.flat,
            preprocessing=found.preprocessing or Preprocessing().to_dict(),
            dtype=torch.float16 if settings.precision == "fp16" else torch.float32,
        )
    where = found.provenance
    reason = why_not_transformers(found.config.backbone)
    notes = [*where.notes, *([] if reason is None else [f"transformers cannot load it: {reason}"])]
    for note in notes:
        reporter.note(f"condetr: {note}")
    answer = {"output": str(out), "classes": len(labels), "dialect": where.key_format, "revision": where.revision}
    text = f"{out}: a detector of {len(labels)} classes, from {where.path} with {where.key_format} names"
    reporter.result(text, answer | {"notes": notes})


def _named(names: list[str], labels: Mapping[int, str], file: Path | None) -> dict[int, str]:
    if len(names) != len(labels):
        raise UsageError(f"holds {len(names)} names, but the checkpoint has {len(labels)} classes", source=file)
    return dict(enumerate(names))
