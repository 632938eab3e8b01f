"""The web page: a picture in, boxes and a table out, a threshold to slide, a detection to click on."""

import tempfile
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

import gradio as gr
from PIL import Image

from condetr.core.errors import CondetrError
from condetr.images.decode import decode
from condetr.images.detections import Detections
from condetr.prediction.predictor import Predictor
from condetr.serving.look import HEADERS, Look, Row

Explain: TypeAlias = Callable[[Image.Image, int], Image.Image]

_NOTHING = "Nothing scores above the threshold."
_HINT = "Click a box or a row to see one detection alone."


def page(
    predictor: Predictor,
    *,
    title: str,
    scenes: Sequence[str],
    threshold: float,
    pixels: int,
    folder: Path,
    explain: Explain | None = None,
) -> gr.Blocks:
    """Build the page.

    Args:
        predictor: with threshold 0; the page leaves out what scores low.
        title: above everything.
        scenes: picture files that can be picked instead of one's own.
        threshold: where the slider stands at first.
        pixels: the most of a picture.
        folder: for the files that are downloaded.
        explain: paints what the attention heads looked at for the detection at this place among all of the picture,
            best first; where it is None the page does not offer it.
    """

    def look(path: str | None, last: str | None, seen: Look | None) -> tuple[Look | None, str | None]:
        if path is None or path == last:  # gradio says more than once that a picture changed
            return (None if path is None else seen), path
        try:
            picture = decode(Path(path).read_bytes(), pixel_limit=pixels)
            [found] = predictor.predict([picture])
        except CondetrError as error:
            told = f"{error.reason} ({error.hint})" if error.hint else error.reason
            gr.Warning(escape(told), title="This picture cannot be used", duration=None)
            return None, path
        assert isinstance(found, Detections), "errors are raised"
        return Look(picture, found), path

    def show(seen: Look | None, least: float, chosen: int | None) -> tuple[Any, ...]:
        if seen is None:
            return None, _table_of([]), "", gr.DownloadButton(interactive=False), None
        rows = seen.rows(least)
        chosen = chosen if chosen is not None and chosen < len(rows) else None
        said = _NOTHING if not rows else _HINT if chosen is None else seen.said_of(chosen, least)
        bands = explain(seen.picture, chosen) if explain is not None and chosen is not None else None
        download = gr.DownloadButton(value=str(_written(seen.json(least), folder)), interactive=True)
        return seen.painted(least, chosen), _table_of(rows), said, download, bands

    def clicked(seen: Look | None, least: float, event: gr.SelectData) -> int | None:
        x, y = event.index
        return None if seen is None else seen.at(x, y, least)

    def picked(event: gr.SelectData) -> int:
        return int(event.index[0])

    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
        seen, last, chosen = gr.State(None), gr.State(None), gr.State(None)
        gr.Markdown(f"# {title}")
        with gr.Row():
            with gr.Column(scale=2):
                given = _as_sent(
                    gr.Image(
                        label="Picture", type="filepath", sources=["upload", "clipboard"], buttons=[], elem_id="given"
                    )
                )
                gr.Examples([[scene] for scene in scenes], [given], label="Or one of these", elem_id="scenes")
                slider = gr.Slider(0, 1, threshold, step=0.01, label="Threshold", elem_id="threshold")
            with gr.Column(scale=3):
                painted = gr.Image(
                    label="Found", type="pil", interactive=False, buttons=["fullscreen"], format="png", elem_id="found"
                )
                said = gr.Textbox(label="Detection", interactive=False, elem_id="said")
                bands = gr.Image(
                    label="What its attention heads looked at",
                    type="pil",
                    interactive=False,
                    buttons=["fullscreen"],
                    visible=explain is not None,
                    elem_id="bands",
                )
                table = gr.Dataframe(
                    headers=list(HEADERS),
                    datatype=["number", "str", *["number"] * 5],
                    type="array",
                    interactive=False,
                    buttons=["copy"],
                    elem_id="table",
                )
                download = gr.DownloadButton("Download JSON", interactive=False, elem_id="download")
        shown = [painted, table, said, download, bands]
        quiet = {"api_visibility": "private", "show_progress": "hidden"}
        given.change(look, [given, last, seen], [seen, last], api_visibility="private").then(
            lambda: None, None, chosen, **quiet
        ).then(show, [seen, slider, chosen], shown, **quiet)
        slider.change(show, [seen, slider, chosen], shown, trigger_mode="always_last", **quiet)
        painted.select(clicked, [seen, slider], chosen, **quiet).then(show, [seen, slider, chosen], shown, **quiet)
        table.select(picked, None, chosen, **quiet).then(show, [seen, slider, chosen], shown, **quiet)
    return blocks


def _table_of(rows: list[Row]) -> dict[str, Any]:
    return {"headers": list(HEADERS), "data": rows}


def _as_sent(image: gr.Image) -> gr.Image:
    """Gives the file that was sent, for condetr decodes it itself, and fetches nothing in its place.

    Not a subclass: gradio writes a file beside the source of every subclass of its components.
    """
    move, move_soon = image.move_resource_to_block_cache, image.async_move_resource_to_block_cache

    async def moved_soon(given: Any) -> Any:
        _refuse_address(given)
        return await move_soon(given)

    def moved(given: Any) -> Any:
        _refuse_address(given)
        return move(given)

    image.preprocess = lambda payload: None if payload is None else payload.path
    image.move_resource_to_block_cache, image.async_move_resource_to_block_cache = moved, moved_soon
    return image


def _refuse_address(given: object) -> None:
    if "://" in str(given):
        raise gr.Error("URL input is disabled: send the picture itself")


def _written(text: str, folder: Path) -> Path:
    """In a folder of its own, so that every visitor's file is called the same and is another."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "detections.json"
    path.write_text(text, encoding="ascii")
    return path
