"""Charts of a report: precision over recall, confusion, and kinds of error."""

from PIL import Image

from condetr.charts.axes import Line, lines_chart
from condetr.charts.bars import Bar, bars_chart
from condetr.charts.counts_table import counts_table
from condetr.charts.sheet import INK, tiled
from condetr.evaluation.coco_ap import RECALLS
from condetr.evaluation.confusion import Confusion
from condetr.evaluation.curves import IOU, Curves
from condetr.evaluation.error_kinds import Errors
from condetr.images.drawing.colors import Color, color_of

MOST_LINES = 20  # that can be told apart
KIND_COLORS: dict[str, Color] = {
    "classification": (214, 120, 40),
    "localisation": (60, 110, 200),
    "both": (140, 80, 180),
    "duplicate": (40, 150, 170),
    "background": (200, 60, 60),
    "missed": (110, 110, 110),
}


def curves_chart(curves: Curves) -> Image.Image:
    """The mean of the classes in black; of more classes than can be told apart, the worst."""
    area = {name: sum(curve.precision) for name, curve in curves.by_class.items()}
    shown = sorted(sorted(area, key=lambda name: area[name])[:MOST_LINES], key=lambda name: -area[name])
    left_out = f", {MOST_LINES} worst classes of {len(area)}" if len(area) > MOST_LINES else ""
    lines = [Line("all classes", list(zip(RECALLS, curves.mean_precision(), strict=True)), INK, 3)]
    for number, name in enumerate(shown):
        points = list(zip(RECALLS, curves.by_class[name].precision, strict=True))
        lines.append(Line(name, points, color_of(number), 1))
    title = f"Precision and recall at an IoU of {IOU:g}{left_out}"
    return lines_chart(title, lines, labels=("recall", "precision"), reach=(1.0, 1.0), key_beside=True)


def confusion_chart(confusion: Confusion) -> Image.Image:
    title = f"Confusion of what scores above {confusion.threshold:g}"
    return counts_table(title, "true classes", "predicted", [*confusion.names, "background"], confusion.matrix)


def errors_chart(errors: Errors) -> Image.Image:
    """Costs over counts, a bar for every kind of error."""
    costs = [Bar(kind, [(cost, KIND_COLORS[kind])], f"{cost:+.3f}") for kind, cost in errors.costs.items()]
    counts = [Bar(kind, [(count, KIND_COLORS[kind])], str(count)) for kind, count in errors.counts.items()]
    above = f"Errors that score above {errors.threshold:g}: {errors.hits} of {errors.objects} objects are hit"
    return tiled([bars_chart("AP50 to be gained by repairing", costs), bars_chart(above, counts)], 1)
