"""py.typed: a strictly typed program that uses condetr is checked against its annotations; a wrong one is refused."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CLIENT = """
from pathlib import Path

import condetr
from condetr import CondetrError, ConditionalDetrConfig, ConditionalDetrForObjectDetection, Detections


def count(image: str) -> int:
    found: Detections = condetr.load("condetr/nano").predict(image, threshold=0.3)
    names: tuple[str, ...] = found.names
    return len(names)


def train(data: Path) -> float:
    run = condetr.load("condetr/nano", classes=["cell"]).train(data, minutes=4)
    best: Path = run.best
    return condetr.load(str(best)).evaluate(data, split="val").ap or 0.0


def shaped() -> ConditionalDetrForObjectDetection:
    return ConditionalDetrForObjectDetection(ConditionalDetrConfig(num_queries=10))


try:
    count("a.jpg")
except CondetrError as error:
    print(error.reason.upper(), error.hint)
"""
WRONG = {
    "condetr.load(3)": "arg-type",
    "condetr.load().predict('a.jpg', threshold='high')": "arg-type",
    "condetr.lod()": "attr-defined",
}


@pytest.mark.slow
def test_a_typed_program_is_checked(tmp_path):
    assert (ROOT / "src/condetr/py.typed").is_file()
    client, wrong = tmp_path / "client.py", tmp_path / "wrong.py"
    client.write_text(CLIENT)
    wrong.write_text("import condetr\n" + "\n".join(WRONG))
    words = [sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", str(client), str(wrong)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    errors = [line for line in done.stdout.splitlines()[:-1] if ": error: " in line]
    assert all("wrong.py:" in error for error in errors), done.stdout
    assert [error.rpartition("[")[2].rstrip("]") for error in errors] == list(WRONG.values())
