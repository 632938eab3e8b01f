"""The import contract, CONTRIBUTING.md and docs/architecture.md describe the same tree, the one that is there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "condetr"
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")


def floors_of_contract():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [set(re.findall(r"condetr\.(\w+)", layer)) for layer in layers]


def test_contributing_lists_the_floors_of_the_import_contract():
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    floors = [{name for cell in row.split(" · ") for name in re.findall(r"^`(\w+)/`", cell)} for _, row in rows]
    assert floors == floors_of_contract()
    assert [int(number) for number, _ in rows] == list(range(len(rows), 0, -1))


def test_every_folder_has_a_floor():
    folders = {path.parent.name for path in SOURCE.glob("*/__init__.py")}
    assert folders == set().union(*floors_of_contract())
    assert {path.name for path in SOURCE.glob("*.py")} == {"__init__.py", "__main__.py"}


@pytest.mark.parametrize("path", sorted(set(re.findall(r"`(src/condetr/[^`N]+)`", PAGE))))
def test_what_the_page_names_is_there(path):
    assert (ROOT / path).exists()


def test_tests_mirror_the_source():
    unit = ROOT / "tests/unit"
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")}
    assert {str(folder) for folder in folders if not (SOURCE / folder).is_dir()} == set()
