"""The blocks of code of a Markdown page, and the remarks about them, which readers of the page do not see.

A remark is a comment directly above a block:

    <!-- not run: needs two machines -->     nothing of it is run, for that reason
    <!-- only parsed: trains for hours -->   its command lines are read and checked, not carried out
    <!-- file: mine.yaml -->                 its text is written to a file, which the following blocks use
"""

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = ("text", "yaml", "json")  # languages of what is looked at
_VARIABLES = re.compile(r"^([A-Z_]+=\S+ )+")  # that a command gets
_REMARK = re.compile(r"\s*<!--\s*(not run|only parsed|file): (\S.*?)\s*-->\s*", re.DOTALL)


class Block(NamedTuple):
    """Text of a language; ``line`` is that of its first line in the file."""

    language: str
    text: str
    line: int
    remark: str | None = None
    about: str = ""


def blocks_of(text: str) -> list[Block]:
    tokens = MarkdownIt().parse(text)
    blocks = []
    for before, token in pairwise([*tokens[:1], *tokens]):
        if token.type in ("fence", "code_block"):
            found = _REMARK.fullmatch(before.content) if before.type == "html_block" else None
            remark, about = found.groups() if found else (None, "")
            line = token.map[0] + (2 if token.type == "fence" else 1)
            blocks.append(Block(token.info.strip(), token.content, line, remark, about))
    return blocks


def commands_of(block: Block) -> list[list[str]]:
    """The words of each command of a shell; of a console, what follows the prompts."""
    text = block.text.replace("\\\n", " ")
    lines = text.splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    return [words for line in lines if (words := shlex.split(_VARIABLES.sub("", line), comments=True))]
