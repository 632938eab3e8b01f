"""The web page: an image in, boxes and a table out, a threshold to slide, a detection to click on."""

import tempfile
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any, TypeAlias

import gradio as gr
from PIL import Image

from condetr.core.errors import CondetrError
from condetr.images.decoding.decode import decode
from condetr.images.detections import Detections
from condetr.prediction.predictor import Predictor
from condetr.serving.page.page_image import HEADERS, Look, Row
from condetr.serving.page.uploads import Uploads

Explain: TypeAlias = Callable[[Image.Image, int], Image.Image]
Seen: TypeAlias = Look | str  # or why there is none

_NONE = ""
_UNUSABLE = "This image cannot be used"
_NOTHING = "Nothing scores above the threshold."
_HINT = "Click a box or a row to see one detection alone."


def page(
    predictor: Predictor,
    *,
    title: str,
    scenes: Sequence[str],
    threshold: float,
    pixels: int,
    uploads: Uploads,
    explain: Explain | None = None,
) -> gr.Blocks:
    """Build the page.

    Args:
        predictor: with threshold 0; the page leaves out what scores low.
        title: above everything.
        scenes: image files that can be picked instead of one's own.
        threshold: where the slider stands at first.
        pixels: the most of an image.
        uploads: where gradio lays what is sent; also for the files that are downloaded.
        explain: paints what the attention heads looked at for the detection at this place among all of the image,
            best first; where it is None the page does not offer it.
    """

    def look(sent: Any, last: str | None, seen: Seen) -> tuple[Seen, str | None]:
        if sent is None:
            return _NONE, None
        path = sent.get("path") if isinstance(sent, dict) else None  # any client may send anything
        if path is not None and path == last:  # gradio says more than once that an image changed
            return seen, path
        try:
            image = decode(uploads.content_of(path), pixel_limit=pixels)
            [found] = predictor.predict([image])
        except CondetrError as error:
            told = f"{_UNUSABLE}: {error.reason}" + (f" ({error.hint})" if error.hint else "")
            gr.Warning(escape(told))
            return told, None if path is None else str(path)
        assert isinstance(found, Detections), "errors are raised"
        return Look(image, found), path

    def show(seen: Seen, least: float, chosen: int | None) -> tuple[Any, ...]:
        if isinstance(seen, str):
            return None, _table_of([]), seen, gr.DownloadButton(interactive=False), _bands(None)
        rows = seen.rows(least)
        chosen = chosen if chosen is not None and 0 <= chosen < len(rows) else None
        said = _NOTHING if not rows else _HINT if chosen is None else seen.said_of(chosen, least)
        bands = explain(seen.image, chosen) if explain is not None and chosen is not None else None
        uploads.make_room()
        download = gr.DownloadButton(value=str(_written(seen.json(least), uploads.folder)), interactive=True)
        return seen.painted(least, chosen), _table_of(rows), said, download, _bands(bands)

    def clicked(seen: Seen, least: float, event: gr.SelectData) -> int | None:
        place = _two_numbers(event)
        return None if isinstance(seen, str) or place is None else seen.at(*place, least)

    def picked(event: gr.SelectData) -> int | None:
        place = _two_numbers(event)
        return None if place is None else int(place[0])

    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
        seen, last, chosen = gr.State(_NONE), gr.State(None), gr.State(None)
        gr.HTML(f"<h1>{escape(title)}</h1>")
        with gr.Row():
            with gr.Column(scale=2):
                given = gr.Image(
                    label="UprightImage", type="filepath", sources=["upload", "clipboard"], buttons=[], elem_id="given"
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
                    show_label=False,  # it would lie on the title of the figure
                    type="pil",
                    interactive=False,
                    buttons=["fullscreen"],
                    visible=False,
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
        looked = given.change(  # as it was sent: gradio's own decoding fails without a word to the visitor
            look, [given, last, seen], [seen, last], preprocess=False, api_visibility="private"
        )
        looked.then(lambda: None, None, chosen, **quiet).then(show, [seen, slider, chosen], shown, **quiet)
        slider.change(show, [seen, slider, chosen], shown, trigger_mode="always_last", **quiet)
        painted.select(clicked, [seen, slider], chosen, **quiet).then(show, [seen, slider, chosen], shown, **quiet)
        table.select(picked, None, chosen, **quiet).then(show, [seen, slider, chosen], shown, **quiet)
    return blocks


def _two_numbers(event: gr.SelectData) -> tuple[float, float] | None:
    """Where was clicked; a client that is no browser may send anything."""
    given = event.index
    if not isinstance(given, list | tuple) or len(given) != 2:
        return None
    if not all(type(one) in (int, float) and abs(one) < 2**31 for one in given):
        return None
    return given[0], given[1]


def _table_of(rows: list[Row]) -> dict[str, Any]:
    return {"headers": list(HEADERS), "data": rows}


def _bands(figure: Image.Image | None) -> dict[str, Any]:
    return gr.update(value=figure, visible=figure is not None)


def _written(text: str, folder: Path) -> Path:
    """In a folder of its own, so that every visitor's file is called the same and is another."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "detections.json"
    path.write_text(text, encoding="ascii")
    return path
