"""What was left out, changed or refused while reading data: counts of everything, the first of each kind in full."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from condetr.core.errors import AnnotationError
from condetr.data.checks.problems import Outcome, ProblemKind
from condetr.files.inside import OutsideFolderError
from condetr.images.coco_labels.fields import FieldError, SegmentationError

SHOWN = 20  # findings of one kind that are kept in full
_KINDS: dict[type, ProblemKind] = {  # of errors of the rooms below
    FieldError: ProblemKind.BAD_FIELD,
    SegmentationError: ProblemKind.BAD_SEGMENTATION,
    OutsideFolderError: ProblemKind.OUTSIDE_NAME,
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem: where (file, annotation or image in it) and what."""

    kind: ProblemKind
    source: str
    item: str | None
    message: str

    def __str__(self) -> str:
        """One line, whatever characters the names in it have."""
        text = ": ".join(part for part in (self.source, self.item, self.message) if part)
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class DataProblem(Exception):  # noqa: N818  it never leaves the room: a `Location` records it
    """One object, image or class cannot be used, for this reason."""

    def __init__(self, kind: ProblemKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def kind_of(error: BaseException | None) -> ProblemKind | None:
    """What a `DataReport` counts an error as; None for one that it does not take."""
    return error.kind if isinstance(error, DataProblem) else _KINDS.get(type(error))


class DataReport:
    """Collects findings. Findings of one kind are counted; the first ``SHOWN`` of each are kept."""

    def __init__(self) -> None:
        self.counts: Counter[ProblemKind] = Counter()
        self._first: dict[ProblemKind, list[Finding]] = {}

    def add(self, kind: ProblemKind, message: str, *, source: object, item: str | None = None) -> None:
        self._keep(Finding(kind, str(source), item, _without_source(message, str(source))))
        self.counts[kind] += 1

    def at(self, source: object, item: str | None = None) -> "Location":
        return Location(self, source, item)

    def merge(self, other: "DataReport") -> None:
        for finding in other:
            self._keep(finding)
        self.counts += other.counts

    def __iter__(self) -> Iterator[Finding]:
        return (finding for findings in self._first.values() for finding in findings)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def of(self, kind: ProblemKind) -> tuple[Finding, ...]:
        return tuple(self._first.get(kind, ()))

    def count_of(self, outcome: Outcome) -> int:
        return sum(count for kind, count in self.counts.items() if kind.outcome is outcome)

    def to_rows(self) -> list[list[Any]]:
        """All of it, for a JSON file that `from_rows` reads."""
        return [
            [kind.name, count, [[finding.source, finding.item, finding.message] for finding in self.of(kind)]]
            for kind, count in self.counts.items()
        ]

    @classmethod
    def from_rows(cls, rows: list[list[Any]]) -> "DataReport":
        report = cls()
        for name, count, findings in rows:
            kind = ProblemKind[name]
            report.counts[kind] = count
            report._first[kind] = [Finding(kind, *finding) for finding in findings]
        return report

    def refuse(self) -> None:
        """Raise the first finding that makes the data unusable, if there is one.

        Raises:
            AnnotationError: names it, and how many there are.
        """
        refused = [finding for finding in self if finding.kind.outcome is Outcome.REFUSED]
        if refused:
            first, more = refused[0], self.count_of(Outcome.REFUSED) - 1
            message = f"{first.message}; and {more} more like it" if more else first.message
            hint = "`condetr data check` lists all" if more else None
            raise AnnotationError(message, source=first.source, item=first.item, hint=hint)

    def to_dict(self) -> dict[str, Any]:
        """Counts and first findings by kind, for a JSON file."""
        return {
            kind.code: {
                "outcome": kind.outcome.value,
                "meaning": kind.meaning,
                "count": count,
                "first": [{"source": f.source, "item": f.item, "said": f.message} for f in self.of(kind)],
            }
            for kind, count in self._ordered()
        }

    def summary(self) -> str:
        """One line per kind."""
        return "\n".join(f"{count} x {kind.meaning} ({kind.outcome})" for kind, count in self._ordered())

    def __str__(self) -> str:
        """Every kind with its first findings in full."""
        return "\n".join(self.lines(SHOWN))

    def lines(self, examples: int, *, more: str = "") -> Iterator[str]:
        """Every kind, each with up to ``examples`` of its findings, indented; ``more`` is added where others exist."""
        for kind, count in self._ordered():
            yield f"{count} x {kind.meaning} ({kind.outcome})"
            listed = self.of(kind)[:examples]
            yield from (f"    {finding}" for finding in listed)
            if count > len(listed):
                yield f"    ... and {count - len(listed)} more{more}"

    def _ordered(self) -> list[tuple[ProblemKind, int]]:
        """Most severe first."""
        severity = list(Outcome)
        return sorted(self.counts.items(), key=lambda pair: severity.index(pair[0].outcome))

    def _keep(self, finding: Finding) -> None:
        first = self._first.setdefault(finding.kind, [])
        if len(first) < SHOWN:
            first.append(finding)


def _without_source(message: str, source: str) -> str:
    """A message that begins with the name of its source, without it: the source is printed before the message."""
    for name in (source, source.rpartition("/")[2]):
        if name and message.startswith(f"{name} "):
            return message[len(name) + 1 :]
    return message


@dataclass(slots=True)
class Location:
    """Where a reader is: the file, and what in it. As a context, it records the problem that ends the block."""

    report: DataReport
    source: object
    item: str | None = None

    def add(self, kind: ProblemKind, message: str) -> None:
        self.report.add(kind, message, source=self.source, item=self.item)

    def __enter__(self) -> "Location":
        return self

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> bool:
        kind = kind_of(error)
        if kind is None:
            return False
        self.add(kind, str(error))
        return True
