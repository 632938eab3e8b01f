"""Where the time of one image goes: a bar for every image size and batch, a color for every step."""

from collections.abc import Sequence

from PIL import Image

from condetr.charts.bars import Bar, bars_chart
from condetr.evaluation.timing.stages import STEPS, Row
from condetr.images.drawing.colors import Color

_COLORS: dict[str, Color] = {
    "decode": (214, 120, 40),
    "prepare": (60, 150, 90),
    "forward": (60, 110, 200),
    "score": (140, 80, 180),
}


def stages_chart(rows: Sequence[Row], title: str) -> Image.Image:
    """Medians in milliseconds per image."""
    return bars_chart(title, [_bar(row) for row in rows], key=[(step, _COLORS[step]) for step in STEPS], width=520)


def _bar(row: Row) -> Bar:
    parts = [(row.steps[step]["p50"] / row.batch, _COLORS[step]) for step in STEPS]
    total = sum(milliseconds for milliseconds, _ in parts)
    name = f"{row.size[0]}x{row.size[1]}, batch {row.batch}"
    return Bar(name, parts, f"{total:.4g} ms per image, {row.share_of_peak:.0%} of peak")
