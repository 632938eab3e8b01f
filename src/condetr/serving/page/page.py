"""The web page: an image in, boxes and a table out, with a threshold slider and clickable detections."""

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
from condetr.serving.page.page_image import HEADERS, PageImage, Row
from condetr.serving.page.uploads import Uploads

Explain: TypeAlias = Callable[[Image.Image, int], Image.Image]
Current: TypeAlias = PageImage | str  # or the reason why there is none

_NONE = ""
_UNUSABLE = "This image cannot be used"
_NOTHING = "Nothing scores above the threshold."
_HINT = "Click a box or a table row to show one detection alone."


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
        predictor: with threshold 0; the page hides low scores.
        title: the heading.
        scenes: example image files.
        threshold: initial value of the slider.
        pixels: maximum pixels of an image.
        uploads: the folder of gradio's uploads and of the files for download.
        explain: paints the attention of each decoder head for the detection at this index among all of the image, best
            first; None: the page does not offer it.
    """

    def detect(sent: Any, last: str | None, current: Current) -> tuple[Current, str | None]:
        if sent is None:
            return _NONE, None
        path = sent.get("path") if isinstance(sent, dict) else None  # any client may send anything
        if path is not None and path == last:  # gradio reports one change of an image several times
            return current, path
        try:
            image = decode(uploads.content_of(path), pixel_limit=pixels)
            [detections] = predictor.predict([image])
        except CondetrError as error:
            message = f"{_UNUSABLE}: {error.reason}" + (f" ({error.hint})" if error.hint else "")
            gr.Warning(escape(message))
            return message, None if path is None else str(path)
        assert isinstance(detections, Detections), "errors are raised"
        return PageImage(image, detections), path

    def show(current: Current, least: float, selected: int | None) -> tuple[Any, ...]:
        if isinstance(current, str):
            return None, _table_of([]), current, gr.DownloadButton(interactive=False), _attention(None)
        rows = current.rows(least)
        selected = selected if selected is not None and 0 <= selected < len(rows) else None
        text = _NOTHING if not rows else _HINT if selected is None else current.describe(selected, least)
        figure = explain(current.image, selected) if explain is not None and selected is not None else None
        uploads.make_room()
        download = gr.DownloadButton(value=str(_written(current.json(least), uploads.folder)), interactive=True)
        return current.painted(least, selected), _table_of(rows), text, download, _attention(figure)

    def clicked(current: Current, least: float, event: gr.SelectData) -> int | None:
        point = _two_numbers(event)
        return None if isinstance(current, str) or point is None else current.at(*point, least)

    def picked(event: gr.SelectData) -> int | None:
        cell = _two_numbers(event)
        return None if cell is None else int(cell[0])

    with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(3600, 3600)) as blocks:
        current, last, selected = gr.State(_NONE), gr.State(None), gr.State(None)
        gr.HTML(f"<h1>{escape(title)}</h1>")
        with gr.Row():
            with gr.Column(scale=2):
                image = gr.Image(
                    label="Image", type="filepath", sources=["upload", "clipboard"], buttons=[], elem_id="image"
                )
                gr.Examples([[scene] for scene in scenes], [image], label="Example images", elem_id="scenes")
                slider = gr.Slider(0, 1, threshold, step=0.01, label="Threshold", elem_id="threshold")
            with gr.Column(scale=3):
                painted = gr.Image(
                    label="Detections",
                    type="pil",
                    interactive=False,
                    buttons=["fullscreen"],
                    format="png",
                    elem_id="detections",
                )
                text = gr.Textbox(label="Selected detection", interactive=False, elem_id="selected")
                attention = gr.Image(
                    label="Decoder attention of each head",
                    show_label=False,  # it would cover the title of the figure
                    type="pil",
                    interactive=False,
                    buttons=["fullscreen"],
                    visible=False,
                    elem_id="attention",
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
        inputs, shown = [current, slider, selected], [painted, table, text, download, attention]
        quiet = {"api_visibility": "private", "show_progress": "hidden"}
        detected = image.change(  # without preprocessing: gradio's own decoding fails without a message to the visitor
            detect, [image, last, current], [current, last], preprocess=False, api_visibility="private"
        )
        detected.then(lambda: None, None, selected, **quiet).then(show, inputs, shown, **quiet)
        slider.change(show, inputs, shown, trigger_mode="always_last", **quiet)
        painted.select(clicked, [current, slider], selected, **quiet).then(show, inputs, shown, **quiet)
        table.select(picked, None, selected, **quiet).then(show, inputs, shown, **quiet)
    return blocks


def _two_numbers(event: gr.SelectData) -> tuple[float, float] | None:
    """The clicked point or cell; a client that is no browser may send anything."""
    index = event.index
    if not isinstance(index, list | tuple) or len(index) != 2:
        return None
    if not all(type(number) in (int, float) and abs(number) < 2**31 for number in index):
        return None
    return index[0], index[1]


def _table_of(rows: list[Row]) -> dict[str, Any]:
    return {"headers": list(HEADERS), "data": rows}


def _attention(figure: Image.Image | None) -> dict[str, Any]:
    return gr.update(value=figure, visible=figure is not None)


def _written(text: str, folder: Path) -> Path:
    """In a folder of its own, so that every visitor downloads a file of this name."""
    path = Path(tempfile.mkdtemp(dir=folder)) / "detections.json"
    path.write_text(text, encoding="ascii")
    return path
