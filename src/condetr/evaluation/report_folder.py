"""A report as files: for programs, for spreadsheets and for eyes."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from PIL import Image

from condetr.core.errors import StorageError
from condetr.data.output_folder import OutputFolder
from condetr.evaluation.charts import confusion_chart, curves_chart, errors_chart
from condetr.evaluation.panoptic_quality import Panoptic
from condetr.evaluation.predictions_file import write_predictions
from condetr.evaluation.report import Report
from condetr.evaluation.worst import worst_pictures

REPORT, PREDICTIONS = "report.json", "predictions.json"


def write_report(report: Report, folder: str | Path) -> Path:
    """Files for those parts that were measured.

    Raises:
        UsageError: the folder is not new.
        StorageError: it cannot be written.
    """
    output = OutputFolder(folder)
    output.write(REPORT, json.dumps(report.to_dict(), indent=2, allow_nan=False) + "\n")
    write_predictions(
        output.place(PREDICTIONS), report.dataset, report.found, report.runs, report.boxes, boxed=report.boxed
    )
    if report.per_class is not None:
        output.write("per_class.csv", _per_class_csv(report))
    if report.panoptic is not None:
        output.write("panoptic.csv", _panoptic_csv(report.panoptic))
    if report.curves is not None:
        _save(curves_chart(report.curves), output.place("pr.png"))
    if report.confusion is not None:
        output.write("confusion.csv", _confusion_csv(report))
        _save(confusion_chart(report.confusion), output.place("confusion.png"))
    if report.errors is not None:
        _save(errors_chart(report.errors), output.place("errors.png"))
        worst = worst_pictures(report.dataset, report.found, threshold=report.errors.threshold)
        if worst is not None:
            _save(worst, output.place("worst.jpg"))
    return output.path


def _per_class_csv(report: Report) -> str:
    return _table([{"class": name, **result.to_dict()} for name, result in (report.per_class or {}).items()])


def _panoptic_csv(panoptic: Panoptic) -> str:
    return _table([{"class": name, **asdict(one)} for name, one in panoptic.per_class.items()])


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _confusion_csv(report: Report) -> str:
    assert report.confusion is not None
    names = [*report.confusion.names, "background"]
    text = io.StringIO()
    rows = ([name, *line] for name, line in zip(names, report.confusion.matrix, strict=True))
    csv.writer(text, lineterminator="\n").writerows((["true \\ predicted", *names], *rows))
    return text.getvalue()


def _save(picture: Image.Image, path: Path) -> None:
    try:
        picture.save(path, quality=92)
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror or error}", source=path) from error
