"""The result of ``condetr evaluate`` as text."""

import io
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from condetr.cli.output.reporting import one_line

if TYPE_CHECKING:
    from condetr.evaluation.calibration import Calibration
    from condetr.evaluation.error_kinds import Errors
    from condetr.evaluation.panoptic_quality import Panoptic
    from condetr.evaluation.per_class import ClassResult
    from condetr.evaluation.report import Report


def text_of(report: "Report") -> str:
    parts = [_averages(report)]
    if report.panoptic is not None:
        parts.append(_panoptic(report.panoptic))
    if report.per_class is not None:
        parts.append(_per_class(report.per_class, report.calibration))
    if report.calibration is not None:
        parts.append(_calibration(report.calibration))
    if report.errors is not None:
        parts.append(_errors(report.errors))
    if report.layers is not None:
        rows = [
            (str(number), *map(_number, (layer.ap, layer.ap50, layer.ap75)))
            for number, layer in enumerate(report.layers, start=1)
        ]
        parts.append(_table(("decoder layer", "AP", "AP50", "AP75"), rows))
    if report.speed is not None:
        speed = report.speed
        steps = ", ".join(f"{step} {getattr(speed, step):.1f}" for step in ("decode", "prepare", "forward", "score"))
        parts.append(f"{speed.total:.1f} ms an image on {speed.device}: {steps}")
    return "\n\n".join(parts)


def _averages(report: "Report") -> str:
    sizes = ("small", "medium", "large")
    rows = [
        (("AP", report.ap), ("AP50", report.ap50), ("AP75", report.ap75)),
        tuple((f"AP {size}", getattr(report, f"ap_{size}")) for size in sizes),
        (("AR1", report.ar1), ("AR10", report.ar10), ("AR100", report.ar100)),
        tuple((f"AR {size}", getattr(report, f"ar_{size}")) for size in sizes),
    ]
    if report.masks is not None:
        of_masks = report.masks
        rows.append((("mask AP", of_masks.ap), ("mask AP50", of_masks.ap50), ("mask AP75", of_masks.ap75)))
    lines = ["   ".join(f"{name:<9} {_number(value):>6}" for name, value in row) for row in rows]
    return "\n".join([f"{len(report.dataset)} images of {report.dataset.split}", *lines])


def _panoptic(panoptic: "Panoptic") -> str:
    kinds = {"all": panoptic, "things": panoptic.things, "stuff": panoptic.stuff}
    rows = [
        (name, *map(_number, (quality.pq, quality.sq, quality.rq)))
        for name, quality in kinds.items()
        if quality is not None
    ]
    return f"{_table(('segments', 'PQ', 'SQ', 'RQ'), rows)}\nmean IoU of classes {_number(panoptic.miou)}"


def _per_class(per_class: "dict[str, ClassResult]", calibration: "Calibration | None") -> str:
    columns = ("class", "objects", "AP", "AP50", "AR", "best threshold", "precision", "recall")
    rows = []
    for name, result in per_class.items():
        values = (result.ap, result.ap50, result.ar, result.threshold, result.precision, result.recall)
        errors = () if calibration is None else (calibration.by_class[name].ece,)
        rows.append((name, str(result.objects), *map(_number, (*values, *errors))))
    return _table(columns if calibration is None else (*columns, "ECE"), rows)


def _calibration(calibration: "Calibration") -> str:
    numbers = f"{_number(calibration.ece)}, mean of the classes {_number(calibration.mean_ece)}"
    return f"expected calibration error (ECE) of scores above {calibration.lowest:g}: {numbers}"


def _errors(errors: "Errors") -> str:
    rows = [(kind, str(count), f"{errors.costs[kind]:+.3f}") for kind, count in errors.counts.items()]
    table = _table(("error", f"above {errors.threshold:g}", "AP50 if repaired"), rows)
    return f"{errors.hits} of {errors.objects} objects are hit above {errors.threshold:g}\n{table}"


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The first column to the left, the others, which are numbers, to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(columns[0], box=None, pad_edge=False)
    for column in columns[1:]:
        table.add_column(column, justify="right")
    for name, *values in rows:
        table.add_row(Text(one_line(name)), *values)
    text = io.StringIO()
    Console(file=text, width=100, color_system=None).print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())


def _number(value: float | None) -> str:
    """What needs an object to be known has none without one."""
    return "-" if value is None else f"{value:.3f}"
