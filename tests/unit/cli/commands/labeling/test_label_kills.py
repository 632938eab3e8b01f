"""``label`` is killed before a change of its folders at the end; the same command leaves what it would have written."""

import os
import shutil

import pytest

CHANGES = ("rename", "replace", "unlink", "rmdir")
WORDS = ("--threshold", 0.3, "--output", "out", "--format")


def contents_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names_in(folder):
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


@pytest.fixture
def states(condetr, model, photos, tmp_path, monkeypatch):
    """A labeled dataset, and the different states of its folder and of the detections that a kill would have left."""
    here, found = tmp_path / "here", {}

    def before(change):
        def changed(*words, **options):
            state = (*names_in(here / "out"), "|", *names_in(here / "out.unfinished"))
            if (here / "out").exists() and state not in found:
                found[state] = shutil.copytree(here, tmp_path / f"state {len(found)}", symlinks=True)
            return change(*words, **options)

        return changed

    here.mkdir()
    with monkeypatch.context() as patch:
        patch.chdir(here)
        for name in CHANGES:
            patch.setattr(os, name, before(getattr(os, name)))
        assert condetr("label", photos / "a.png", "--model", model, *WORDS, "yolo")[0] == 0
    return here, list(found.values())


@pytest.mark.slow
def test_the_same_command_repairs_what_a_kill_leaves(condetr, model, photos, states, monkeypatch):
    here, found = states
    expected, complete = contents_of(here / "out"), names_in(here / "out")
    listings = [names_in(state / "out") for state in found]
    assert sum(".unfinished" in names and len(names) > 1 for names in listings) == len(complete), "between the renames"
    assert complete in listings, "after the last one"
    for state in found:
        monkeypatch.chdir(state)
        status, out, err = condetr("label", photos / "a.png", "--model", model, *WORDS, "yolo")
        assert (status, out.startswith("out: 1 images, ")) == (0, True), (names_in(state / "out"), err)
        assert contents_of(state / "out") == expected
        assert names_in(state) == ["out"]


def test_what_is_complete_or_of_another_format_is_never_removed(condetr, model, photos, states, monkeypatch):
    """The process was killed at its end, and somebody began to correct the labels."""
    complete = next(state for state in states[1] if names_in(state / "out") == names_in(states[0] / "out"))
    between = next(state for state in states[1] if {".unfinished", "labels"} <= set(names_in(state / "out")))
    corrected = complete / "out/labels/train/a.txt"
    corrected.write_text("0 .5 .5 .2 .2\n")
    monkeypatch.chdir(complete)
    assert condetr("label", photos / "a.png", "--model", model, *WORDS, "yolo")[0] == 0
    assert corrected.read_text() == "0 .5 .5 .2 .2\n"
    before = contents_of(between / "out")
    monkeypatch.chdir(between)
    for _ in range(2):
        status, _, err = condetr("label", photos / "a.png", "--model", model, *WORDS, "coco")
        assert (status, "exists and is not an empty folder" in err) == (2, True), err
    assert contents_of(between / "out") == before
