"""Write the pages into docs/reference, which is in no commit: python -m reference."""

import argparse
import shutil
from pathlib import Path

from reference.commands import command_pages
from reference.names import name_pages
from reference.settings import settings_page

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "reference"


def write_pages(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    pages = {**command_pages(), **name_pages(), "settings.md": settings_page(), "changelog.md": changelog()}
    for name, text in pages.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.rstrip() + "\n", encoding="utf-8")


def changelog() -> str:
    """With links as they are from the folder of the pages."""
    return (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](../")


if __name__ == "__main__":
    argparse.ArgumentParser(prog="python -m reference", description=__doc__).parse_args()
    write_pages(FOLDER)
