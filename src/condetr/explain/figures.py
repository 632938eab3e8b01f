"""The figures of one detection: its bands, how they come about layer by layer, and where the encoder looks from it."""

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


def bands(one: Evidence) -> Image.Image:
    """The paper's figure 1: content, spatial and combined attention of every head of the last decoder layer."""
    view = _View(one)
    map_rows = [
        _MapRow(("content", "what it seeks:", "cells that look like", "a part of the object"), one.content[-1]),
        _MapRow(("spatial", "where it seeks:", "bands at the edges", "of the object"), one.spatial[-1]),
        _MapRow(("combined", "both together:", "what the network", "takes its answer from"), one.combined[-1]),
    ]
    rows = view.rows(map_rows, one_scale=True)
    said = [
        f"A column is an attention head of decoder layer {len(one.combined)}, the last. It is named by the part of the"
        " object that it looks at."
    ]
    marks = heat_legend("the most in its column", box="predicted box", point="reference point")
    parts = [tiled([_lead(one, view.window), table(view.columns, rows)], 2, gap=24), marks]
    return page(f"What the heads looked at for {named(one)}, detection {one.number}", [*said, view.told()], parts)


def layers(one: Evidence) -> Image.Image:
    """Combined attention and box from the first decoder layer to the last."""
    view, map_rows = _View(one), []
    for number, (maps, score) in enumerate(zip(one.combined, one.scores, strict=True)):
        x1, y1, x2, y2 = one.boxes[number].tolist()
        map_rows.append(_MapRow((f"layer {number + 1}", f"score {score:.2f}"), maps, (x1, y1, x2, y2)))
    rows = view.rows(map_rows, one_scale=False)
    said = (
        "From the first decoder layer, above, to the last: where its heads look, and the box and score it would answer."
    )
    marks = heat_legend("the most in its tile", box="box of the layer", point="reference point")
    return page(
        f"How {named(one)}, detection {one.number}, was found", [said, view.told()], [table(view.columns, rows), marks]
    )


def encoder(one: Evidence) -> Image.Image:
    """Where the cell of one pixel looks, in every head of every encoder layer."""
    whole, heads = Window.whole(one.size), range(one.encoder.shape[1])
    ground, rows = dimmed(crop(one.image, whole, _side_for(len(heads) + 1))), []
    for number, maps in enumerate(one.encoder):
        tiles = [
            heatmap(ground, weights, one.cell, whole, most=float(weights.max())) for weights in _with_mean(maps, heads)
        ]
        for tile in tiles:
            mark_point(tile, one.pixel, whole)
        rows.append(Row((f"layer {number + 1}",), tiles))
    x, y = one.pixel
    said = "From the first encoder layer, above, to the last: where the marked place gathers what it knows."
    marks = heat_legend("the most in its tile", point=f"the place map_rows about: x {x:.0f}, y {y:.0f}")
    columns = ["all heads\nmean", *(f"head {head + 1}" for head in heads)]
    return page("Where one place of the image looks in the encoder", [said], [table(columns, rows), marks])


def named(one: Evidence) -> str:
    """The class, without what would break the line, and not longer than a title takes."""
    return f"“{one_line(one.detection.name, 40)}”"


class _MapRow(NamedTuple):
    """A row to be painted."""

    said: Sequence[str]
    maps: HeadMaps
    box: Box | None = None


class _View:
    """What all rows of a figure share: the window, its dimmed tile, and the order of the heads."""

    def __init__(self, one: Evidence) -> None:
        self._one = one
        regions = regions_of(one.combined[-1], one.detection.box, one.cell)
        self._order = ordered(regions)
        self.columns = ["all heads\nmean", *(f"head {head + 1}\n{regions[head]}" for head in self._order)]
        self.window = Window.around(one.detection.box, [one.reference_point], one.size)
        self._ground = dimmed(crop(one.image, self.window, _side_for(len(self.columns))))
        self._zoomed = self.window != Window.whole(one.size)

    def told(self) -> str:
        said = "Below each tile: the part of the object that it looks at (spread: nowhere in particular)"
        return f"{said}, and the share of its attention that the tile shows." if self._zoomed else f"{said}."

    def rows(self, map_rows: Sequence[_MapRow], *, one_scale: bool) -> list[Row]:
        """With one scale, the tiles of a column can be compared; else each is as bright as can be."""
        everything = [_with_mean(row.maps, self._order) for row in map_rows]
        most = [max(float(weights.max()) for weights in column) for column in zip(*everything, strict=True)]
        rows = []
        for row, maps in zip(map_rows, everything, strict=True):
            highest = most if one_scale else [float(weights.max()) for weights in maps]
            box = row.box or self._one.detection.box
            tiles = [self._tile(weights, scale, box) for weights, scale in zip(maps, highest, strict=True)]
            rows.append(Row(row.said, tiles))
        return rows

    def _tile(self, weights: Map, most: float, box: Box) -> Image.Image:
        tile = heatmap(self._ground, weights, self._one.cell, self.window, most=most)
        mark_box(tile, box, self.window)
        mark_point(tile, self._one.reference_point, self.window)
        return captioned(tile, self._below(weights, box))

    def _below(self, weights: Map, box: Box) -> str:
        region = region_of(weights, box, self._one.cell)
        return f"{region}, {share_inside(weights, self._one.cell, self.window):.0%}" if self._zoomed else region


def _lead(one: Evidence, window: Window) -> Image.Image:
    """The whole image in its colors, and where the tiles are from."""
    whole = Window.whole(one.size)
    tile, scale = crop(one.image, whole, _LEAD), whole.scale(_LEAD)
    said = [f"{named(one)}, detection {one.number}", f"score {one.detection.score:.2f}, from object query {one.query}"]
    if window != whole:
        ImageDraw.Draw(tile).rectangle([edge * scale for edge in window], outline=_ORANGE, width=3)
        said.append("orange: what the tiles show")
    mark_box(tile, one.detection.box, whole, width=2)
    mark_point(tile, one.reference_point, whole)
    return tiled([tile, text_block(said)], 1, gap=6)


def _with_mean(maps: HeadMaps, order: Sequence[int]) -> list[Map]:
    return [maps.mean(0), *(maps[head] for head in order)]


def _side_for(columns: int) -> int:
    return int(min(max(_BROAD / columns, _SMALLEST), _LARGEST))
