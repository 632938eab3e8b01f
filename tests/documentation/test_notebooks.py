"""The notebooks run from the first cell to the last, and are stored without what a run leaves in them."""

import json

import pytest

from tests.documentation.blocks import ROOT, Block

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def cells_of(path):
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def blocks_of(path):
    """The code cells: Python, or lines of a shell that begin with an exclamation mark."""
    for number, cell in enumerate(cells_of(path)):
        if cell["cell_type"] == "code":
            text = "".join(cell["source"])
            if text.startswith("!"):
                yield Block("sh", "\n".join(line.removeprefix("!") for line in text.splitlines()), number)
            else:
                yield Block("python", text, number)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # images that a cell shows stay open
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path, reader_of):
    reader = reader_of(path)
    for block in blocks_of(path):
        try:
            reader.follow(block)
        except Exception as error:
            error.add_note(f"{path.name}, cell {block.line}:\n{block.text}")
            raise


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_without_results(path):
    cells = cells_of(path)
    assert [cell["cell_type"] for cell in cells[:1]] == ["markdown"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if "outputs" in cell)
    assert len({cell["id"] for cell in cells}) == len(cells)
    assert f"notebooks/{path.name}" in (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
