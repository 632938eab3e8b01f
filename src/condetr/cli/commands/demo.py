"""``condetr demo``: a web page to try a model on."""

import webbrowser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.model_settings import Backend, DetectionSettings, found_at_any_score, loaded, model_or_bundled
from condetr.core.errors import MissingExtraError, SettingsError

if TYPE_CHECKING:
    from PIL.Image import Image

_SCENES = 4
_PIXELS, _MASK_PIXELS = 50_000_000, 13_000_000  # of an image; as condetr serve has them


@dataclass(frozen=True, kw_only=True)
class DemoSettings(DetectionSettings):
    backend: Backend = None
    threshold: Annotated[float, "initial position of the slider"] = 0.5
    port: Annotated[int, "port to listen on; 0 takes a free one"] = 7860
    open: Annotated[bool, "open it in a browser"] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.port < 2**16:
            raise SettingsError(f"is {self.port}, expected 0 to 65535", item="port")


def demo(settings: DemoSettings, reporter: Reporter) -> None:
    """Try a model on a local web page, until Ctrl-C: drop an image, move the threshold, click a box."""
    from condetr.serving.process.process_exit import end_now

    try:
        from condetr.serving.page.page_server import serve_page
        from condetr.serving.process.library_versions import check_pillow
        from condetr.serving.process.sockets import bound_socket
    except ImportError as error:
        raise MissingExtraError(str(error.name), "demo", "condetr demo") from None
    check_pillow()
    reference = model_or_bundled(settings.model, reporter)
    with bound_socket("127.0.0.1", settings.port) as listening:
        model = loaded(reference, settings, reporter)
        task = found_at_any_score(model)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"

        def ready() -> None:
            reporter.note(f"condetr: the page is at {address}")
            if settings.open:
                webbrowser.open(address)

        def explain(image: "Image", number: int) -> "Image":
            explanation = model.explain(
                image, detection=number, threshold=0, top_k=settings.top_k, classes=settings.classes
            )
            return explanation.figure()

        stuck = serve_page(
            model.predictor(threshold=0, top_k=settings.top_k, classes=settings.classes, task=task),
            listening,
            title=Path(reference).name,
            scenes=_scenes,
            threshold=settings.threshold,
            pixels=_PIXELS if task == "detect" else _MASK_PIXELS,
            explain=explain if model.backend == "torch" else None,  # a graph keeps its weights to itself
            on_ready=ready,
        )
    if stuck:
        end_now(0)


def _scenes(folder: Path) -> Sequence[str]:
    """Images of handwritten digits, which the bundled model detects."""
    from condetr.data.demo.scenes import scene

    paths = [folder / f"scene-{index}.png" for index in range(_SCENES)]
    for index, path in enumerate(paths):
        scene(index, split="val").image.save(path)
    return [str(path) for path in paths]
