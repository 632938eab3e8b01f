"""The pictures with most errors, side by side; every box has the colour of what it is."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from PIL import Image, ImageDraw, ImageFont

from condetr.data.records import Dataset
from condetr.evaluation.charts import KIND_COLOURS
from condetr.evaluation.columns import Found, Truth, found_of, truth_of
from condetr.evaluation.judgement import ERRORS, Judgement, Kind, judge
from condetr.evaluation.plot import INK, PAPER
from condetr.images.colours import Colour, ink_on
from condetr.images.decode import decode
from condetr.images.detections import Detections

_GAP, _HEAD = 8, 34
_LARGEST_SCALE = 3.0  # a small picture is enlarged until its boxes can be told apart
_COLOURS: dict[str, Colour] = {Kind.HIT.word: (40, 160, 70), **KIND_COLOURS}


class _Mark(NamedTuple):
    box: Sequence[float]
    text: str
    colour: Colour


def worst_pictures(
    dataset: Dataset,
    detections: Sequence[Detections],
    *,
    threshold: float,
    shown: int = 12,
    columns: int = 4,
    side: int = 320,
) -> Image.Image | None:
    """Those with most errors among detections above ``threshold``; None where there is no error.

    Raises:
        ImageError: a picture cannot be decoded any more.
    """
    truth, found = truth_of(dataset), found_of(detections)
    found = found.where(found.scores > threshold)
    judged = judge(truth, found)
    wrong = np.bincount(found.pictures[np.isin(judged.kinds, ERRORS)], minlength=len(dataset))
    wrong += np.bincount(truth.pictures[judged.missed], minlength=len(dataset))
    chosen = [position for position in np.argsort(-wrong, kind="stable")[:shown].tolist() if wrong[position]]
    if not chosen:
        return None
    marks = [list(_marks(position, dataset.classes.names, truth, found, judged)) for position in chosen]
    tiles = [_tile(decode(dataset[position].path), one, side) for position, one in zip(chosen, marks, strict=True)]
    return _sheet(tiles, columns=min(columns, len(tiles)), side=side)


def _marks(position: int, names: Sequence[str], truth: Truth, found: Found, judged: Judgement) -> Iterator[_Mark]:
    for row in np.flatnonzero((truth.pictures == position) & judged.missed):
        yield _Mark(_corners(truth.boxes[row]), f"{names[truth.labels[row]]} missed", _COLOURS[Kind.MISSED.word])
    for row in np.flatnonzero((found.pictures == position) & (judged.kinds != Kind.IGNORED))[::-1]:
        kind, name = Kind(judged.kinds[row]), names[found.labels[row]]
        instead = f" for {names[truth.labels[judged.about[row]]]}" if kind is Kind.CLASSIFICATION else ""
        yield _Mark(_corners(found.boxes[row]), f"{name}{instead} {found.scores[row]:.2f}", _COLOURS[kind.word])


def _corners(box: Float64[np.ndarray, "4"]) -> list[float]:
    x, y, width, height = box.tolist()
    return [x, y, x + width, y + height]


def _tile(picture: Image.Image, marks: Sequence[_Mark], side: int) -> Image.Image:
    scale = min(side / max(picture.size), _LARGEST_SCALE)
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    tile = picture.resize(size, Image.Resampling.LANCZOS)
    pen, font = ImageDraw.Draw(tile), ImageFont.load_default(11)
    for mark in marks:
        x1, y1, x2, y2 = (float(edge) * scale for edge in mark.box)
        x1, y1 = min(max(x1, 0), tile.width - 1), min(max(y1, 0), tile.height - 1)
        pen.rectangle((x1, y1, max(x2, x1), max(y2, y1)), outline=mark.colour, width=2)
        left, top, right, bottom = pen.textbbox((x1, y1), mark.text, font=font, anchor="lb")
        aside, down = min(0.0, tile.width - right - 1), max(0.0, -top)  # into the picture
        pen.rectangle((left + aside - 1, top + down, right + aside + 1, bottom + down), fill=mark.colour)
        pen.text((x1 + aside, y1 + down), mark.text, fill=ink_on(mark.colour), font=font, anchor="lb")
    return tile


def _sheet(tiles: Sequence[Image.Image], *, columns: int, side: int) -> Image.Image:
    rows = [tiles[start : start + columns] for start in range(0, len(tiles), columns)]
    heights = [max(tile.height for tile in row) for row in rows]
    width = max(columns * (side + _GAP) + _GAP, 2 * side)
    sheet = Image.new("RGB", (width, _HEAD + sum(heights) + len(rows) * _GAP), PAPER)
    pen, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(14), float(_GAP)
    for word, colour in _COLOURS.items():
        pen.rectangle((left, 10, left + 12, 22), fill=colour)
        pen.text((left + 17, 16), word, fill=INK, font=font, anchor="lm")
        left += 17 + font.getlength(word) + 16
    top = _HEAD
    for row, height in zip(rows, heights, strict=True):
        for column, tile in enumerate(row):
            sheet.paste(tile, (_GAP + column * (side + _GAP) + (side - tile.width) // 2, top))
        top += height + _GAP
    return sheet
