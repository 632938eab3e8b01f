"""What YOLO lines of more than five columns hold: an outline, keypoints, or a score.

A pose line is a class, a box, and K keypoints of 2 or 3 numbers; an outline is a class and its points; a prediction is
a class, a box and a score. A single line can be ambiguous, so the whole split decides, unless `data.yaml` states it:
`kpt_shape: [K, 2 or 3]`, or `task`.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem
from condetr.data.checks.problems import ProblemKind

_BOX = 5  # columns of a class and a box
_FLAGS = (0, 1, 2)  # a keypoint that is not labeled, hidden, visible
_SURE, _UNLIKELY = 0.9, 0.5  # of the lines that fit keypoints
_SLACK = 0.02  # of the image, by which labeled points and boxes stick out


@dataclass(frozen=True, slots=True)
class Columns:
    """What lines of more than five columns hold.

    Attributes:
        keypoints: how many columns a line with keypoints has; None where longer lines are outlines.
        scores: whether all lines are a class, a box and a score.
    """

    keypoints: int | None = None
    scores: bool = False


def declared_columns(kpt_shape: Any, task: Any) -> Columns | None:
    """What a data.yaml states about its lines; None if nothing.

    Raises:
        DataProblem: a field is of the wrong kind.
    """
    if kpt_shape is not None:
        shape = [str(number) for number in kpt_shape] if isinstance(kpt_shape, list) else []
        if len(shape) != 2 or not re.fullmatch(r"[1-9][0-9]{0,3}", shape[0]) or shape[1] not in ("2", "3"):
            raise DataProblem(
                ProblemKind.BAD_FIELD, f"kpt_shape is {short_repr(kpt_shape)}, expected [keypoints, 2 or 3]"
            )
        return Columns(_BOX + int(shape[0]) * int(shape[1]))
    if task in ("segment", "obb", "detect"):
        return Columns()
    return None


def columns_of(lines: Iterable[Sequence[float]], *, outlines: bool = False) -> Columns:
    """Infer it from all lines.

    Args:
        lines: the numbers of each, of a class and a box at least.
        outlines: whether masks are wanted, so that ambiguous lines are read as outlines.

    Raises:
        DataProblem: they could be outlines or keypoints.
    """
    longer, has_plain_boxes = list[Sequence[float]](), False
    for line in lines:
        if len(line) > _BOX:
            longer.append(line)
        else:
            has_plain_boxes = True
    if longer and not has_plain_boxes and all(map(_has_score, longer)):
        return Columns(scores=True)
    counts = {len(line) for line in longer}
    if len(counts) != 1:
        return Columns()  # outlines have as many points as they need
    (count,) = counts
    flags = [flag for line in longer for flag in line[_BOX + 2 :: 3]] if (count - _BOX) % 3 == 0 else []
    flagged = sum(flag in _FLAGS for flag in flags) > _SURE * len(flags)
    if flagged and (max(flags) == max(_FLAGS) or sum(map(_is_box, longer)) > _SURE * len(longer)):
        return Columns(count)
    if count % 2 == 0 or outlines:
        return Columns()  # even: no outline, so reading refuses each line
    if not flagged and sum(map(_has_points_in_box, longer)) <= _UNLIKELY * len(longer):
        return Columns()
    raise DataProblem(
        ProblemKind.UNCLEAR_OUTLINE,
        f"all {len(longer)} lines of more than {_BOX} values have {count}, which could be an outline of"
        f" {count // 2} points, or a box with keypoints: add `kpt_shape: [K, 2]` (or 3) for keypoints"
        " or `task: segment` for outlines to data.yaml",
    )


def _has_points_in_box(line: Sequence[float]) -> bool:
    """Whether it is a box in the image with all points inside, except unlabeled ones (0, 0)."""
    x, y, width, height = line[1:_BOX]
    points = [point for point in zip(line[_BOX::2], line[_BOX + 1 :: 2], strict=True) if point != (0, 0)]
    inside = all(abs(px - x) <= width / 2 + _SLACK and abs(py - y) <= height / 2 + _SLACK for px, py in points)
    return _is_box(line) and inside


def _has_score(line: Sequence[float]) -> bool:
    """Whether it is a class and fractions of the image, then a number from 0 to 1."""
    return (
        len(line) == _BOX + 1
        and all(-_SLACK <= number <= 1 + _SLACK for number in line[1:_BOX])
        and 0 <= line[_BOX] <= 1
    )


def _is_box(line: Sequence[float]) -> bool:
    x, y, width, height = line[1:_BOX]
    low, high = -_SLACK, 1 + _SLACK
    return low <= x - width / 2 < x + width / 2 <= high and low <= y - height / 2 < y + height / 2 <= high
