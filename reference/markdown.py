"""Text of the code as Markdown."""

import inspect
import re
from collections.abc import Iterable, Sequence

_SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes):$", re.MULTILINE)
_ENTRY = re.compile(r"^(\S[^:]*): ?(.*)$")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *([_cell(text) for text in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(text: str) -> str:
    return f"`{text}`"


def from_docstring(text: str | None) -> str:
    """Paragraphs as they are; the entries of Args and the like as lists."""
    first, *rest = _SECTION.split(inspect.cleandoc(text or ""))
    parts = [_linked(first.strip())]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        parts.append(f"**{title}**\n\n{_entries(body)}")
    return "\n\n".join(part for part in parts if part)


def _entries(body: str) -> str:
    """Entries begin at the first indentation, and go on below it; what follows without one is text again."""
    entries: list[str] = []
    after: list[str] = []
    for line in inspect.cleandoc(body.strip("\n")).splitlines():
        if (entry := _ENTRY.match(line)) and not after:
            entries.append(f"- **{entry[1]}**: {entry[2]}")
        elif line.startswith(" ") and entries and not after:
            entries[-1] += f" {line.strip()}"
        elif line.strip():
            after.append(line)
    return _linked("\n\n".join(part for part in ("\n".join(entries), "\n".join(after)) if part))


def _linked(text: str) -> str:
    return text.replace("``", "`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
