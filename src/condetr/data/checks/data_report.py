"""What was left out, changed or refused while reading data: counts of everything, the first of each kind in full."""

import reprlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from condetr.core.errors import AnnotationError
from condetr.data.checks.problems import Outcome, Reason

SHOWN = 20  # findings of one kind that are kept in full
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 120
_short.maxlist = 8
_LONGEST = 300


def shown(value: object) -> str:
    """``value`` as a message can hold it: never long, control characters escaped."""
    try:
        text = _short.repr(value)
        return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
    except ValueError:  # an integer of more digits than Python will print
        return f"a {type(value).__name__} that is too long to print"


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem: where (file, annotation or image in it) and what."""

    reason: Reason
    source: str
    item: str | None
    said: str

    def __str__(self) -> str:
        """One line, whatever characters the names in it have."""
        text = ": ".join(part for part in (self.source, self.item, self.said) if part)
        return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class Fault(Exception):  # noqa: N818  it never leaves the room: who reads the next object catches it
    """One object, image or class cannot be used, for this reason."""

    def __init__(self, reason: Reason, said: str) -> None:
        super().__init__(said)
        self.reason = reason
        self.said = said


class Report:
    """Collects findings. Equal reasons are counted; the first ``SHOWN`` of each are kept."""

    def __init__(self) -> None:
        self.counts: Counter[Reason] = Counter()
        self._first: dict[Reason, list[Finding]] = {}

    def add(self, reason: Reason, said: str, *, source: object, item: str | None = None) -> None:
        self._keep(Finding(reason, str(source), item, _without_source(said, str(source))))
        self.counts[reason] += 1

    def place(self, source: object, item: str | None = None) -> "Place":
        return Place(self, source, item)

    def merge(self, other: "Report") -> None:
        for finding in other:
            self._keep(finding)
        self.counts += other.counts

    def __iter__(self) -> Iterator[Finding]:
        return (finding for findings in self._first.values() for finding in findings)

    def __bool__(self) -> bool:
        return bool(self.counts)

    def of(self, reason: Reason) -> tuple[Finding, ...]:
        return tuple(self._first.get(reason, ()))

    def count_of(self, outcome: Outcome) -> int:
        return sum(count for reason, count in self.counts.items() if reason.outcome is outcome)

    def refuse(self) -> None:
        """Raise the first finding that data cannot be used with, if there is one.

        Raises:
            AnnotationError: names it, and how many there are.
        """
        refused = [finding for finding in self if finding.reason.outcome is Outcome.REFUSED]
        if refused:
            first, more = refused[0], self.count_of(Outcome.REFUSED) - 1
            said = f"{first.said}; and {more} more like it" if more else first.said
            hint = "`condetr data check` lists all" if more else None
            raise AnnotationError(said, source=first.source, item=first.item, hint=hint)

    def to_dict(self) -> dict[str, Any]:
        """Counts and first findings by reason, for a JSON file."""
        return {
            reason.code: {
                "outcome": reason.outcome.value,
                "meaning": reason.meaning,
                "count": count,
                "first": [{"source": f.source, "item": f.item, "said": f.said} for f in self.of(reason)],
            }
            for reason, count in self._ordered()
        }

    def summary(self) -> str:
        """One line per reason."""
        return "\n".join(f"{count} x {reason.meaning} ({reason.outcome})" for reason, count in self._ordered())

    def __str__(self) -> str:
        """Every reason with its first findings in full."""
        return "\n".join(self.lines(SHOWN))

    def lines(self, examples: int, *, more: str = "") -> Iterator[str]:
        """Every reason, each with so many of its findings, indented; ``more`` is said where there are others."""
        for reason, count in self._ordered():
            yield f"{count} x {reason.meaning} ({reason.outcome})"
            shown = self.of(reason)[:examples]
            yield from (f"    {finding}" for finding in shown)
            if count > len(shown):
                yield f"    ... and {count - len(shown)} more{more}"

    def _ordered(self) -> list[tuple[Reason, int]]:
        """Gravest first."""
        gravity = list(Outcome)
        return sorted(self.counts.items(), key=lambda pair: gravity.index(pair[0].outcome))

    def _keep(self, finding: Finding) -> None:
        first = self._first.setdefault(finding.reason, [])
        if len(first) < SHOWN:
            first.append(finding)


def _without_source(said: str, source: str) -> str:
    """What is said of a file begins with its name at times, which stands before it already."""
    for name in (source, source.rpartition("/")[2]):
        if name and said.startswith(f"{name} "):
            return said[len(name) + 1 :]
    return said


@dataclass(slots=True)
class Place:
    """Where a reader is: the file, and what in it."""

    report: Report
    source: object
    item: str | None = None

    def add(self, reason: Reason, said: str) -> None:
        self.report.add(reason, said, source=self.source, item=self.item)

    def add_fault(self, fault: Fault) -> None:
        self.add(fault.reason, fault.said)
