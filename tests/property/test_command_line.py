"""Whatever is typed: a status that says what is wrong, one line that says it in words, and no empty folder left."""

import contextlib
import io
import json
import os
import warnings
from pathlib import Path

import pytest
import typer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from condetr.checkpoints.saving import save
from condetr.cli.main import app, run
from condetr.core.errors import UsageError
from tests.tiny import LABELS, PREPROCESSING, tiny_detector

STATUSES = {0, 2, 3, 4, 5, 6, 7, 8}
GOOD = {
    "sources": ("a.png", "in"), "image": ("a.png",), "data": ("data",),
    "reference": ("model",), "checkpoint": ("model",), "folder": ("model",),
}  # fmt: skip
ODD = (
    *(
        "",
        " ",
        "0",
        "1",
        "-1",
        "0.5",
        "1e400",
        "nan",
        "-inf",
        "9" * 400,
        "9" * 5000,
        "1" * 25,
        "a\0b",
        "\udcff",
        "\ud83d",
    ),
    *(
        "x" * 300,
        "x" * 5000,
        "/",
        ".",
        "..",
        "~nobody",
        "/dev/null",
        "loop",
        "a.png",
        "bad.png",
        "in",
        "empty",
        "a.txt",
    ),
    *(
        "model",
        "data",
        "data/x.json",
        "c.yaml",
        "binary.yaml",
        "model/config.json",
        "a.png/x",
        "gone/deep/x",
        "!!bool x",
    ),
    *("[", "{", "- a", "a: b", "null", "٣", "²", "--", "-", "a=b", "=", ".=1", "a..b=1"),
    *("*", "**", "[x", "%s", "\n", "😀", "1,,2", ",", "cat", "640", "48x64", "0x0", "64x64x64", "cuda:99", "meta"),
    *("all", "fp16", "onnx", "images", "coco,csv", "org/name", "https://x/y", "2147483648", "18446744073709551616"),
)


def commands():
    for name, command in typer.main.get_command(app).commands.items():
        for more, below in getattr(command, "commands", {"": command}).items():
            yield tuple(filter(None, (name, more))), below


COMMANDS = dict(commands())
for server in ("serve", "demo"):  # their libraries take seconds to import; tests of their own type at them
    COMMANDS.pop((server,), None)


@st.composite
def command_lines(draw, chosen=COMMANDS):
    name = draw(st.sampled_from(sorted(chosen)))
    words = list(name)
    options = []
    for parameter in chosen[name].params:
        if parameter.param_type_name == "argument":
            words.append(draw(st.sampled_from((*GOOD.get(parameter.name, ("new",)) * 40, *ODD))))
        else:
            options.append(parameter)
    known = {flag for option in options for flag in option.opts}
    for flag, value in (("--model", "model"), ("--device", "cpu")):
        words += [flag, value] if flag in known else []
    for option in draw(st.lists(st.sampled_from(options), max_size=3)):
        flag = draw(st.sampled_from([*option.opts, *option.secondary_opts]))
        if flag in ("--help", "-h", "--debug"):
            continue
        words.append(flag)
        if flag == "--set":
            words.append(f"{draw(st.sampled_from(options)).name}={draw(st.sampled_from(ODD))}")
        elif not (getattr(option, "is_flag", False) or getattr(option, "count", False)):
            words.append(draw(st.sampled_from(ODD)))
    return words


def stop(*_, **__):
    raise UsageError("would take long")


@contextlib.contextmanager
def working_in(position):
    """A folder with a model; whatever would take long stops instead."""
    save(position / "model", tiny_detector(), LABELS, preprocessing=PREPROCESSING.to_dict())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(position)
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        patch.setattr(warnings, "showwarning", warnings.showwarning)
        for work in ("workflows.training.run", "api.detector.Detector.export", "evaluation.timing.machine.machine_of"):
            patch.setattr(f"condetr.{work}", stop)
        patch.setattr("condetr.data.demo.scene_folder.scene", stop)
        yield patch


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    base = tmp_path_factory.mktemp("typed")
    with working_in(base):
        yield base


def furnish():
    for name in ("in", "data", "empty"):
        Path(name).mkdir(exist_ok=True)
    for name in ("in/a.png", "a.png", "data/a.png"):
        Image.new("RGB", (40, 30)).save(name)
    Path("bad.png").touch()
    Path("a.txt").write_text("in/a.png\n")
    Path("c.yaml").write_text("threshold: 0.3\n")
    Path("binary.yaml").write_bytes(bytes(range(256)))
    truth = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 9, 9], "area": 81, "iscrowd": 0}
    image = {"id": 1, "file_name": "a.png", "width": 40, "height": 30}
    content = {"images": [image], "annotations": [truth], "categories": [{"id": 1, "name": "cat"}]}
    Path("data/x.json").write_text(json.dumps(content))
    if not os.path.lexists("loop"):
        Path("loop").symlink_to("loop")


def answered(words):
    """The exit status; everything that must hold is asserted."""
    furnish()
    before = {*Path().iterdir()}
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = run(words)
    text = err.getvalue()
    assert status in STATUSES, text
    assert all(char.isprintable() or char == "\n" for char in text)
    errors = [line for line in text.splitlines() if line.startswith("condetr: error:")]
    assert len(errors) == (status in (2, 5, 6, 7, 8)) or status == 3, text
    assert all(len(line) > len("condetr: error: ") for line in errors)
    if status not in (0, 4):
        made = {*Path().iterdir()} - before
        assert not [path for path in made if path.is_dir() and not any(file.is_file() for file in path.rglob("*"))]
    return status


@pytest.mark.slow
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(words=command_lines())
def test_what_is_typed_is_answered(folder, words):
    answered(words)
