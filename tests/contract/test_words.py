"""The words of the source: terms that people of this field search for, in plain English.

Each list holds words that were used once and that a newcomer had to learn, with what to write instead.
"""

import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "condetr"
FILES = sorted(SOURCE.rglob("*.py"))

NAMES = {
    "AccelerationOptions": "Wish wish",
    "accelerate": "hasten can_be_hastened",
    "LoadedModel": "Finder finder finder_of",
    "InitialModel": "Beginning beginning",
    "reject_foreign_option_names": "our_words in_our_words",
    "peers": "companions those_gone impatiently",
    "console": "telling Lines nobody_listens",
    "image_paths": "whereabouts",
    "backbone pretraining": "learn_to_name Named live_norms",
    "the accelerated network": "KnowingDecoder PlacedSelfAttention FirstLook SparingMaskHead KeptGrid keep_grids",
    "weights_version": "moment_of",
    "FailureGuard": "Watch",
    "CheckpointWriter, RunContext": "Keeper Circumstances",
    "TrainState": "Learner learner best_knowledge",
    "SampleSheets, SampleIndex": "Showcase",
    "AugmentationConfig": "Variation DropUnseen some_to_learn_by_heart",
    "Matches": "Judgement judgement",
    "PredictionOptions": "Asked Findings",
    "DetrTransformer": "Body looking_at",
    "mask head": "Clues narrowing joining",
    "a name for the value": "said told one given place",
    "image": "picture pictures Picture Pictures",
    "color, optimizer, normalize": "colour colours optimiser normalise",
}
# Public names: `Detections.picture`, `--pictures` and `pictures=` of export and benchmark, and keys of JSON.
PUBLIC = {
    "picture": (
        "images/detections.py", "cli/commands/predict_video.py", "evaluation/class_mapping.py", "explain/run.py",
        "prediction/predictor.py", "prediction/tiling.py", "prediction/written.py", "ray/engine.py",
        "serving/page/page_image.py",
    ),
    "pictures": (
        "cli/commands/benchmark.py", "cli/commands/export.py", "workflows/export.py", "data/checks/statistics.py",
        "evaluation/timing/speed.py", "export/accuracy.py",
    ),
}  # fmt: skip
PROSE = {
    "name who does it, or use the passive of the field": r"\b(nobody|somebody|whoever|(is|are|was|were) told)\b",
    "say what it is": r"\b(said|hasten(s|ed)?|hastening|wish(es)?|what came of|for want of|comes? along|by heart)\b",
    "image": r"(?<![-\w`\"'.[])(?<!photo )pictures?\b(?![\w=`\"':])",
    "American spelling": r"\b(colour|optimis(?!t)|normalis|recognis|initialis|neighbour|behaviour|labelled|grey)\w*",
    "backbone pretraining": r"\bnaming\b",
}


@cache
def tokens_of(path):
    return list(tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline))


@pytest.mark.parametrize("term", NAMES)
def test_names_are_those_of_the_field(term):
    words = set(NAMES[term].split())
    strays = [
        f"{path.relative_to(SOURCE)}:{token.start[0]}: {token.string}"
        for path in FILES
        for token in tokens_of(path)
        if token.type == tokenize.NAME
        and token.string in words
        and str(path.relative_to(SOURCE)) not in PUBLIC.get(token.string, ())
    ]
    assert strays == [], f"write: {term}"


@pytest.mark.parametrize("term", PROSE)
def test_comments_docstrings_and_messages_are_plain(term):
    pattern = re.compile(PROSE[term])
    strays = [
        f"{path.relative_to(SOURCE)}:{token.start[0]}: {found.group()}"
        for path in FILES
        for token in tokens_of(path)
        if token.type in (tokenize.COMMENT, tokenize.STRING) and re.search(r"\s", token.string)
        for found in pattern.finditer(token.string)
    ]
    assert strays == [], f"write: {term}"


def test_files_have_names_of_the_field():
    names = {path.stem for path in FILES} | {path.parent.name for path in FILES}
    assert names.isdisjoint(word for words in NAMES.values() for word in words.split())


def test_no_folder_is_a_heap():
    crowded = {
        str(folder.relative_to(SOURCE)): count
        for folder in {path.parent for path in FILES}
        if (count := len(list(folder.glob("*.py"))) - 1) > 22
    }
    assert crowded == {}
