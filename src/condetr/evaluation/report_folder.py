"""A report as files: JSON, CSV tables and charts."""

import csv
import io
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

from condetr.core.errors import first_line_of
from condetr.evaluation.confusion import Confusion
from condetr.evaluation.page.document import document_of
from condetr.evaluation.predictions_file import write_predictions
from condetr.evaluation.report import Report
from condetr.evaluation.report_charts import confusion_chart, curves_chart, errors_chart
from condetr.evaluation.worst import worst_images, worst_rows
from condetr.files.new_folder import OutputFolder

_logger = logging.getLogger(__name__)
REPORT, PREDICTIONS, PAGE = "report.json", "predictions.json", "report.html"


def write_report(report: Report, folder: str | Path, *, html: bool = False) -> Path:
    """Write the files of all parts that were measured, and with ``html`` a page.

    Raises:
        UsageError: the folder is not new.
        StorageError: it cannot be written.
    """
    output = OutputFolder(folder)
    output.write(REPORT, json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n")
    write_predictions(
        output.path_of(PREDICTIONS), report.dataset, report.found, report.runs, report.boxes, boxed=report.boxed
    )
    charts: dict[str, Callable[[], Image.Image | None]] = {}
    if report.per_class is not None:
        rows = [{"class": name, **result.to_dict()} for name, result in report.per_class.items()]
        output.write("per_class.csv", _table(rows))
    if report.panoptic is not None:
        rows = [{"class": name, **asdict(quality)} for name, quality in report.panoptic.per_class.items()]
        output.write("panoptic.csv", _table(rows))
    if report.curves is not None:
        charts["pr.png"] = partial(curves_chart, report.curves)
    if report.confusion is not None:
        output.write("confusion.csv", _confusion_csv(report.confusion))
        charts["confusion.png"] = partial(confusion_chart, report.confusion)
    if report.errors is not None:
        charts["errors.png"] = partial(errors_chart, report.errors)
        threshold = report.errors.threshold
        rows = worst_rows(report.dataset, report.found, threshold=threshold)
        if rows:
            output.write("worst.csv", _table(rows))
            charts["worst.jpg"] = partial(worst_images, report.dataset, report.found, threshold=threshold)
    _paint(charts, output)
    if html:
        output.write(PAGE, document_of(report, output.path))
    return output.path


def _paint(charts: Mapping[str, Callable[[], Image.Image | None]], output: OutputFolder) -> None:
    """Charts that fail are left out with a warning: the numbers do not depend on them."""
    failed = {}
    for name, paint in charts.items():
        try:
            chart = paint()
        except Exception as error:
            failed[name] = first_line_of(error)
        else:
            if chart is not None:
                output.save(name, chart, quality=92)
    if failed:
        _logger.warning("not painted: %s", "; ".join(f"{name} ({reason})" for name, reason in failed.items()))


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _confusion_csv(confusion: Confusion) -> str:
    names = [*confusion.names, "background"]
    text = io.StringIO()
    rows = ([name, *line] for name, line in zip(names, confusion.matrix, strict=True))
    csv.writer(text, lineterminator="\n").writerows((["true \\ predicted", *names], *rows))
    return text.getvalue()
