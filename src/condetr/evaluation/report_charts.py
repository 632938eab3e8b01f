"""What was measured, as images."""

from PIL import Image

from condetr.charts.axes import INK, Line, bars_chart, counts_table, lines_chart, stacked
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
    return lines_chart(f"Precision and recall at an IoU of {IOU:g}{left_out}", "recall", "precision", lines)


def confusion_chart(confusion: Confusion) -> Image.Image:
    title = f"Confusion of what scores above {confusion.threshold:g}"
    return counts_table(title, "true classes", "predicted", [*confusion.names, "background"], confusion.matrix)


def errors_chart(errors: Errors) -> Image.Image:
    """Costs over counts, a bar for every kind of error."""
    costs = [(kind, cost, f"{cost:+.3f}", KIND_COLORS[kind]) for kind, cost in errors.costs.items()]
    counts = [(kind, float(count), str(count), KIND_COLORS[kind]) for kind, count in errors.counts.items()]
    above = f"Errors that score above {errors.threshold:g}: {errors.hits} of {errors.objects} objects are hit"
    return stacked([bars_chart("AP50 to be gained by repairing", costs), bars_chart(above, counts)])
