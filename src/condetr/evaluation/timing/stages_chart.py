"""Where the time of one image goes, painted: a bar for every size and batch, a color for every step."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from condetr.charts.axes import FAINT, INK, PAPER
from condetr.evaluation.timing.stages import STEPS, Row
from condetr.images.drawing.colors import Color
from condetr.images.drawing.marks import font_of

_COLORS: dict[str, Color] = {
    "decode": (214, 120, 40),
    "prepare": (60, 150, 90),
    "forward": (60, 110, 200),
    "score": (140, 80, 180),
}
_FINER = 2  # painted larger and shrunk, so that it is smooth
_LEFT, _WIDTH, _RIGHT = 150, 520, 240
_TOP, _STEP, _BOTTOM = 84, 36, 16


def stages_chart(rows: Sequence[Row], title: str) -> Image.Image:
    """Medians in milliseconds an image; the longest bar fills the width."""
    width, height = _LEFT + _WIDTH + _RIGHT, _TOP + _STEP * len(rows) + _BOTTOM
    chart = Image.new("RGB", (width * _FINER, height * _FINER), PAPER)
    pen = ImageDraw.Draw(chart)
    font, large = font_of(13 * _FINER), font_of(16 * _FINER)
    pen.text((16 * _FINER, 14 * _FINER), title, fill=INK, font=large)
    _draw_legend(pen, font)
    longest = max(sum(one.steps[name]["p50"] for name in STEPS) / one.batch for one in rows) or 1.0
    for number, row in enumerate(rows):
        top = _TOP + number * _STEP
        middle = (top + _STEP / 2 - 3) * _FINER
        name = f"{row.size[0]}x{row.size[1]}, batch {row.batch}"
        pen.text(((_LEFT - 10) * _FINER, middle), name, fill=INK, font=font, anchor="rm")
        pen.rectangle(_box(_LEFT, top, _LEFT + _WIDTH, top + _STEP - 8), fill=FAINT)
        left, alone = float(_LEFT), 0.0
        for step in STEPS:
            share = row.steps[step]["p50"] / row.batch
            right = left + share / longest * _WIDTH
            pen.rectangle(_box(left, top, max(right, left + 0.5), top + _STEP - 8), fill=_COLORS[step])
            left, alone = right, alone + share
        said = f"{alone:.4g} ms an image, {row.share_of_peak:.0%} of peak"
        pen.text(((_LEFT + _WIDTH + 10) * _FINER, middle), said, fill=INK, font=font, anchor="lm")
    return chart.resize((width, height), Image.Resampling.LANCZOS)


def _draw_legend(pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont) -> None:
    left = _LEFT
    for step in STEPS:
        pen.rectangle(_box(left, 50, left + 14, 64), fill=_COLORS[step])
        pen.text(((left + 20) * _FINER, 57 * _FINER), step, fill=INK, font=font, anchor="lm")
        left += 90


def _box(left: float | int, top: float | int, right: float | int, bottom: float | int) -> tuple[float | int, ...]:
    return left * _FINER, top * _FINER, right * _FINER, bottom * _FINER
