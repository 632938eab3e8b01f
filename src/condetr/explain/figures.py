"""The figures of one detection: attention bands, decoder layer by layer, and encoder attention."""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw

from condetr.charts.sheet import Row, page, table, text_block, tiled
from condetr.explain.evidence import Box, Evidence, HeadMaps, Map
from condetr.explain.heatmap import crop, dimmed, heat_legend, heatmap, mark_box, mark_point, share_inside
from condetr.explain.regions import ordered, region_of, regions_of
from condetr.explain.window import Window
from condetr.images.drawing.marks import captioned, one_line

_BROAD = 1240  # pixels for the tiles of a row, all in all
_LARGEST, _SMALLEST = 190, 110  # edge of a tile
_LEAD = 320  # edge of the whole image
_ORANGE = (255, 170, 30)


def bands(evidence: Evidence) -> Image.Image:
    """The paper's figure 1: content, spatial and combined attention of every head of the last decoder layer."""
    view = _View(evidence)
    map_rows = [
        _MapRow(("content", "the content part:", "cells that look like", "a part of the object"), evidence.content[-1]),
        _MapRow(("spatial", "the spatial part:", "bands at the edges", "of the object"), evidence.spatial[-1]),
        _MapRow(("combined", "both together:", "the weights that", "the network uses"), evidence.combined[-1]),
    ]
    rows = view.rows(map_rows, one_scale=True)
    columns = (
        f"A column is an attention head of decoder layer {len(evidence.combined)}, the last, named by the part of the"
        " object that it attends."
    )
    marks = heat_legend("the most in its column", box="predicted box", point="reference point")
    parts = [tiled([_lead(evidence, view.window), table(view.columns, rows)], 2, gap=24), marks]
    title = f"Attention of the heads for {named(evidence)}, detection {evidence.number}"
    return page(title, [columns, view.explained()], parts)


def layers(evidence: Evidence) -> Image.Image:
    """Combined attention and box from the first decoder layer to the last."""
    view, map_rows = _View(evidence), []
    for number, (maps, score) in enumerate(zip(evidence.combined, evidence.scores, strict=True)):
        x1, y1, x2, y2 = evidence.boxes[number].tolist()
        map_rows.append(_MapRow((f"layer {number + 1}", f"score {score:.2f}"), maps, (x1, y1, x2, y2)))
    rows = view.rows(map_rows, one_scale=False)
    order = "From the first decoder layer, above, to the last: the attention of its heads, its box and its score."
    marks = heat_legend("the most in its tile", box="box of the layer", point="reference point")
    title = f"{named(evidence)}, detection {evidence.number}, layer by layer"
    return page(title, [order, view.explained()], [table(view.columns, rows), marks])


def encoder(evidence: Evidence) -> Image.Image:
    """Attention of the cell of one pixel, in every head of every encoder layer."""
    whole, heads = Window.whole(evidence.size), range(evidence.encoder.shape[1])
    ground, rows = dimmed(crop(evidence.image, whole, _side_for(len(heads) + 1))), []
    for number, maps in enumerate(evidence.encoder):
        tiles = [
            heatmap(ground, weights, evidence.cell, whole, most=float(weights.max()))
            for weights in _with_mean(maps, heads)
        ]
        for tile in tiles:
            mark_point(tile, evidence.pixel, whole)
        rows.append(Row((f"layer {number + 1}",), tiles))
    x, y = evidence.pixel
    order = "From the first encoder layer, above, to the last: the attention of the marked cell."
    marks = heat_legend("the most in its tile", point=f"the pixel x {x:.0f}, y {y:.0f}")
    columns = ["all heads\nmean", *(f"head {head + 1}" for head in heads)]
    return page("Encoder attention of one pixel", [order], [table(columns, rows), marks])


def named(evidence: Evidence) -> str:
    """The name of the class on one line, short enough for a title."""
    return f"“{one_line(evidence.detection.name, 40)}”"


class _MapRow(NamedTuple):
    """Attention maps that are painted as one row."""

    lines: Sequence[str]
    maps: HeadMaps
    box: Box | None = None


class _View:
    """Shared by all rows of a figure: the window, its dimmed tile, and the order of the heads."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        regions = regions_of(evidence.combined[-1], evidence.detection.box, evidence.cell)
        self._order = ordered(regions)
        self.columns = ["all heads\nmean", *(f"head {head + 1}\n{regions[head]}" for head in self._order)]
        self.window = Window.around(evidence.detection.box, [evidence.reference_point], evidence.size)
        self._ground = dimmed(crop(evidence.image, self.window, _side_for(len(self.columns))))
        self._zoomed = self.window != Window.whole(evidence.size)

    def explained(self) -> str:
        legend = "Below each tile: the part of the object with the attention (spread: no location)"
        return f"{legend}, and the share of its attention that the tile shows." if self._zoomed else f"{legend}."

    def rows(self, map_rows: Sequence[_MapRow], *, one_scale: bool) -> list[Row]:
        """With one scale, the tiles of a column are comparable; else each has its own."""
        everything = [_with_mean(row.maps, self._order) for row in map_rows]
        most = [max(float(weights.max()) for weights in column) for column in zip(*everything, strict=True)]
        rows = []
        for row, maps in zip(map_rows, everything, strict=True):
            highest = most if one_scale else [float(weights.max()) for weights in maps]
            box = row.box or self._evidence.detection.box
            tiles = [self._tile(weights, scale, box) for weights, scale in zip(maps, highest, strict=True)]
            rows.append(Row(row.lines, tiles))
        return rows

    def _tile(self, weights: Map, most: float, box: Box) -> Image.Image:
        tile = heatmap(self._ground, weights, self._evidence.cell, self.window, most=most)
        mark_box(tile, box, self.window)
        mark_point(tile, self._evidence.reference_point, self.window)
        return captioned(tile, self._below(weights, box))

    def _below(self, weights: Map, box: Box) -> str:
        region = region_of(weights, box, self._evidence.cell)
        return f"{region}, {share_inside(weights, self._evidence.cell, self.window):.0%}" if self._zoomed else region


def _lead(evidence: Evidence, window: Window) -> Image.Image:
    """The whole image in color, and the window of the tiles."""
    whole = Window.whole(evidence.size)
    tile, scale = crop(evidence.image, whole, _LEAD), whole.scale(_LEAD)
    lines = [
        f"{named(evidence)}, detection {evidence.number}",
        f"score {evidence.detection.score:.2f}, from object query {evidence.query}",
    ]
    if window != whole:
        ImageDraw.Draw(tile).rectangle([edge * scale for edge in window], outline=_ORANGE, width=3)
        lines.append("orange: the window of the tiles")
    mark_box(tile, evidence.detection.box, whole, width=2)
    mark_point(tile, evidence.reference_point, whole)
    return tiled([tile, text_block(lines)], 1, gap=6)


def _with_mean(maps: HeadMaps, order: Sequence[int]) -> list[Map]:
    return [maps.mean(0), *(maps[head] for head in order)]


def _side_for(columns: int) -> int:
    return int(min(max(_BROAD / columns, _SMALLEST), _LARGEST))
