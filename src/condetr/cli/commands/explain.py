"""``condetr explain``: what a detection is made of, as figures and arrays."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter, jsonable
from condetr.cli.settings.model_settings import DetectionSettings, loaded, model_for
from condetr.cli.settings.value_types import is_count
from condetr.core.errors import SettingsError

if TYPE_CHECKING:
    from condetr.explain.explained_image import ExplainedImage
    from condetr.explain.explanation import Explanation

_DEFAULT_OUTPUT = Path("runs/explain")


@dataclass(frozen=True, kw_only=True)
class ExplainSettings(DetectionSettings):
    model: Annotated[
        str | None,
        "hub id, model folder, run folder or weights file; optional only for images of condetr data demo",
    ] = None
    detection: Annotated[str, "which one: its number from 0, best, or all"] = "best"
    pixel: Annotated[str | None, "pixel X,Y whose encoder attention is shown; default: the center of the box"] = None
    output: Annotated[Path | None, "folder for figures and arrays; default: runs/explain"] = None
    overwrite: Annotated[bool, "replace the files of an earlier explanation in the output folder"] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pixel is not None:
            _point_of(self.pixel)
        if self.detection not in ("best", "all") and not is_count(self.detection):
            raise SettingsError(f"is {self.detection!r}, expected a number from 0, best or all", item="detection")


_Image = Annotated[str, typer.Argument(help="One image.", metavar="IMAGE", show_default=False)]


def explain(image: _Image, settings: ExplainSettings, reporter: Reporter) -> None:
    """Show what each attention head attends to for a detection.

    Writes bands.png (content, spatial and combined attention of the last decoder layer), layers.png (all decoder
    layers), encoder.png (the encoder's attention from one pixel), explanation.npz (all maps) and explanation.json;
    with --detection all, overview.png and a folder for each detection.
    """
    from condetr.files.new_folder import new_folder, next_free
    from condetr.prediction.sources import images_in

    reference = model_for(settings.model, [] if settings.model else list(images_in(image, pages=False)), reporter)
    output = settings.output or next_free(_DEFAULT_OUTPUT)
    with new_folder(output, may_be_used=settings.overwrite, hint="give another --output, or --overwrite it"):
        model = loaded(reference, settings, reporter)
        explained = model.explain(
            image,
            detection=settings.detection,
            threshold=settings.threshold,
            top_k=settings.top_k,
            classes=settings.classes,
            pixel=None if settings.pixel is None else _point_of(settings.pixel),
        )
        if settings.detection == "all":
            _answer_all(explained, output, reporter)
        else:
            _write(output, explained)
            answer = {"output": str(output), "explanation": explained.to_dict(maps=False)}
            reporter.result(f"{_line(explained)}; figures in {output}", jsonable(answer))


def _answer_all(explained: "ExplainedImage", output: Path, reporter: Reporter) -> None:
    from condetr.files.atomic_write import write_files

    write_files(output, {"overview.png": partial(_fill, explained.overview_png)})
    explanations, lines = [], []
    with progress("detections", len(explained), reporter) as step:
        for explanation in explained:
            _write(output / f"detection-{explanation.number}", explanation)
            explanations.append(explanation.to_dict(maps=False))
            lines.append(_line(explanation))
            step()
    text = "\n".join([*lines, f"{len(explained)} detections; figures in {output}"])
    reporter.result(text, jsonable({"output": str(output), "explanations": explanations}))


def _write(folder: Path, explanation: "Explanation") -> None:
    from condetr.files.atomic_write import write_files

    writers = {name: partial(_fill, content) for name, content in explanation.contents().items()}
    write_files(folder, writers)


def _fill(content: Any, path: Path) -> None:
    path.write_bytes(content())


def _line(explanation: "Explanation") -> str:
    x, y = explanation.reference_point
    heads = ", ".join(
        f"{number + 1} {head['region']}"
        for number, head in enumerate(explanation.to_dict(maps=False)["layers"][-1]["heads"])
    )
    name = " ".join(explanation.detection.name.split())
    score = explanation.detection.score
    return f"{explanation.number}: {name}, score {score:.2f}, looked from ({x:.0f}, {y:.0f}); heads: {heads}"


def _point_of(text: str) -> tuple[float, float]:
    try:
        x, y = (float(part) for part in text.split(","))
    except ValueError:
        raise SettingsError(f"is {text!r}, expected pixels X,Y such as 320,240", item="pixel") from None
    return x, y
