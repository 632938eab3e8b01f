"""What a format cannot hold, reported by the code that writes it."""

from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.records import Example, Object


def report_crowds(example: Example, report: DataReport) -> None:
    for _ in example.crowds:
        report.add(ProblemKind.CROWD_LOST, "is left out", source=example.path)


def report_marks(example: Example, report: DataReport) -> None:
    for number, labeled in enumerate(example.objects, start=1):
        if labeled.marks:
            message = f"was {', '.join(labeled.marks)}"
            report.add(ProblemKind.MARK_LOST, message, source=example.path, item=f"object {number}")


def report_segmentation(labeled: Object, example: Example, report: DataReport) -> None:
    if labeled.segmentation is not None or example.segments is not None:
        message = "its box is written"
        report.add(ProblemKind.SEGMENTATION_LOST, message, source=example.path, item=str(labeled.id))
