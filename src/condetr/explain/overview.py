"""All detections of an image in one figure: their boxes and attention."""

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

_MOST = 24  # detections that are shown
_IMAGE, _TILE = 460, 170
_COLUMNS = 4


def overview(detections: Detections, explained: Sequence[Evidence]) -> Image.Image:
    """The image with its boxes, and for each detection the mean attention of the last decoder layer's heads."""
    shown, count = explained[:_MOST], len(detections)
    whole = Window.whole(detections.size)
    scale = whole.scale(_IMAGE)
    numbered = [
        detection._replace(box=_scaled(detection.box, scale), name=f"#{number}")
        for number, detection in enumerate(detections)
    ]
    painted = draw(crop(explained[0].image, whole, _IMAGE), numbered)  # enlarged before labels are drawn
    tiles = [_tile(evidence) for evidence in shown]
    lines = [
        "Tiles show the surroundings of each box: the mean of all heads of the last decoder layer.",
        *([f"The best {_MOST} of {count} are shown."] if count > _MOST else []),
    ]
    marks = heat_legend("the most in its tile", box="predicted box", point="reference point")
    title = f"{count} detection{'s' if count > 1 else ''}, and the attention of each"
    return page(title, lines, [tiled([painted, tiled(tiles, _COLUMNS, gap=6)], 2, gap=24), marks])


def _scaled(box: Box, scale: float) -> Box:
    x1, y1, x2, y2 = (edge * scale for edge in box)
    return x1, y1, x2, y2


def _tile(evidence: Evidence) -> Image.Image:
    window = Window.around(evidence.detection.box, [evidence.reference_point], evidence.size)
    weights = evidence.combined[-1].mean(0)
    tile = heatmap(
        dimmed(crop(evidence.image, window, _TILE)), weights, evidence.cell, window, most=float(weights.max())
    )
    mark_box(tile, evidence.detection.box, window)
    mark_point(tile, evidence.reference_point, window)
    return captioned(tile, f"#{evidence.number}: {scored(named(evidence), evidence.detection.score)}", width=_TILE)
