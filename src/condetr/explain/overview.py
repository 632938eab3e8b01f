"""All detections of an image at a glance: where they are, and what each was made of."""

from collections.abc import Sequence

from PIL import Image

from condetr.charts.sheet import page, tiled
from condetr.explain.evidence import Box, Evidence
from condetr.explain.figures import named
from condetr.explain.heatmap import crop, dimmed, heat_legend, heatmap, mark_box, mark_point
from condetr.explain.window import Window
from condetr.images.detections import Detections
from condetr.images.drawing.draw import draw
from condetr.images.drawing.marks import captioned, scored

_MOST = 24  # more cannot be told apart at a glance
_IMAGE, _TILE = 460, 170
_COLUMNS = 4


def overview(detections: Detections, explained: Sequence[Evidence]) -> Image.Image:
    """The image with its boxes, and for each detection where all heads of the last decoder layer look together."""
    shown, count = explained[:_MOST], len(detections)
    whole = Window.whole(detections.size)
    scale = whole.scale(_IMAGE)
    found = [one._replace(box=_scaled(one.box, scale), name=f"#{place}") for place, one in enumerate(detections)]
    painted = draw(crop(explained[0].image, whole, _IMAGE), found)  # enlarged first: letters would hide a small one
    tiles = [_tile(one) for one in shown]
    said = [
        "Tiles show the surroundings of each box: the mean of all heads of the last decoder layer.",
        *([f"The best {_MOST} of {count} are shown."] if count > _MOST else []),
    ]
    marks = heat_legend("the most in its tile", box="predicted box", point="reference point")
    title = f"{count} detection{'s' if count > 1 else ''}, and what each was made of"
    return page(title, said, [tiled([painted, tiled(tiles, _COLUMNS, gap=6)], 2, gap=24), marks])


def _scaled(box: Box, scale: float) -> Box:
    x1, y1, x2, y2 = (edge * scale for edge in box)
    return x1, y1, x2, y2


def _tile(one: Evidence) -> Image.Image:
    window = Window.around(one.detection.box, [one.reference_point], one.size)
    weights = one.combined[-1].mean(0)
    tile = heatmap(dimmed(crop(one.image, window, _TILE)), weights, one.cell, window, most=float(weights.max()))
    mark_box(tile, one.detection.box, window)
    mark_point(tile, one.reference_point, window)
    return captioned(tile, f"#{one.number}: {scored(named(one), one.detection.score)}", width=_TILE)
