"""What most formats cannot hold, counted by those who write them."""

from condetr.data.checks.data_report import Report
from condetr.data.checks.problems import Reason
from condetr.data.records import Example


def tell_crowds(example: Example, report: Report) -> None:
    for _ in example.crowds:
        report.add(Reason.CROWD_LOST, "is left out", source=example.path)


def tell_marks(example: Example, report: Report) -> None:
    for number, one in enumerate(example.objects, start=1):
        if one.marks:
            report.add(Reason.MARK_LOST, f"was {', '.join(one.marks)}", source=example.path, item=f"object {number}")
