"""``llms.txt`` (llmstxt.org): every page of the site in the order of the navigation, with the sentence it begins with.

python -m reference.llms FOLDER
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from reference.__main__ import ROOT

_NOT_TEXT = ("#", "|", "- ", "![", "    ")  # beginnings of what is no paragraph
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_SENTENCE = re.compile(r"(?<=\.)\s")


def llms_text(config: dict[str, Any], docs: Path) -> str:
    """The text, of the settings of the site and the folder of its pages."""
    lines = [f"# {config['site_name']}", "", f"> {config['site_description']}"]
    for section in config["nav"]:
        for title, entries in section.items():
            lines += ["", f"## {title}", ""]
            lines += [_entry(name, page, docs) for name, page in _pages(entries)]
    return "\n".join(lines) + "\n"


def _pages(entries: list[Any]) -> Iterator[tuple[str | None, str]]:
    """Name and file of each page; the name is None where the page has it."""
    for entry in entries:
        if isinstance(entry, str):
            yield None, entry
        else:
            yield from entry.items()


def _entry(name: str | None, page: str, docs: Path) -> str:
    heading, first = _beginning((docs / page).read_text(encoding="utf-8"))
    address = re.sub(r"(^|/)index\.md$", r"\1", page).replace(".md", "/")
    return f"- [{name or heading}]({address or './'})" + (f": {first}" if first else "")


def _beginning(text: str) -> tuple[str, str]:
    """The heading of a page, and the first sentence of its first paragraph."""
    without_code = re.sub(r"```.*?```|<!--.*?-->", "", text, flags=re.DOTALL)
    heading, *parts = re.split(r"\n\s*\n", without_code.strip())
    paragraph = next((part for part in parts if not part.startswith(_NOT_TEXT)), "")
    plain = " ".join(_LINK.sub(r"\1", paragraph).split())
    return heading.lstrip("# "), _SENTENCE.split(plain)[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m reference.llms", description=__doc__)
    parser.add_argument("folder", type=Path, help="the site")
    folder = parser.parse_args().folder
    written = llms_text(yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8")), ROOT / "docs")
    (folder / "llms.txt").write_text(written, encoding="utf-8")
