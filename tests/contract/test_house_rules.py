"""Promises about the source itself that neither ruff nor import-linter can check."""

import re
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "condetr"
FILES = sorted(SOURCE.rglob("*.py"))
FOREIGN = re.compile(
    r"class_labels_classifier|bbox_predictor|query_position_embeddings|bbox_embed|class_embed|ref_point_head"
    r"|ca_q(content|pos)|sa_q(content|pos)|conv_encoder|in_proj|q_content_proj"
)


def test_there_is_something_to_look_at():
    assert len(FILES) > 20


@pytest.mark.parametrize("path", sorted((SOURCE / "model").glob("*.py")), ids=lambda path: path.name)
def test_the_model_does_not_know_its_mode(path):
    assert "self.training" not in path.read_text()


def test_foreign_names_stay_in_their_rooms():
    rooms = ("checkpoints", "hf")
    strays = [
        f"{path.relative_to(SOURCE)}: {found.group()}"
        for path in FILES
        if path.relative_to(SOURCE).parts[0] not in rooms
        for found in FOREIGN.finditer(path.read_text())
    ]
    assert strays == []


def test_no_room_for_odds_and_ends():
    names = {path.stem for path in FILES}
    assert names.isdisjoint({"utils", "util", "misc", "common", "helpers", "base"})


def test_long_files_are_two_files():
    long = {str(path.relative_to(SOURCE)): n for path in FILES if (n := len(path.read_text().splitlines())) > 300}
    assert long == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_file_says_what_it_is_for(path):
    text = path.read_text().lstrip()
    assert text.startswith('"""'), "a file starts with one sentence on its idea"
