"""Locales, pipes, hub caches and missing networks."""

import json
import os
import shutil
import sys
import time

import pytest
import yaml
from PIL import Image

import condetr
from condetr.data.demo.scene_folder import write_scenes

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def odd(tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    for name in (b"\xff\xfe.png", "\U0001f600.png".encode(), b"a\nb.png"):
        Image.new("RGB", (40, 30)).save(folder / os.fsdecode(name))
    return folder


@pytest.mark.parametrize("more", [{}, {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}])
def test_odd_names_in_the_plainest_locale(command, tiny, odd, tmp_path, more):
    words = (
        "predict",
        odd,
        "--model",
        tiny,
        "--output",
        tmp_path / "out",
        "--save",
        "images,json,csv,yolo",
        "-v",
        "--json",
    )
    run = command(*words, env={"LC_ALL": "C"} | more)
    assert run.returncode == 0, run.stderr
    assert "Error" not in run.stderr
    sources = [json.loads(line)["source"] for line in (tmp_path / "out/predictions.jsonl").read_bytes().splitlines()]
    assert {os.fsencode(name) for name in sources} == {os.fsencode(path) for path in odd.iterdir()}
    assert [result["source"] for result in json.loads(run.stdout)["results"]] == sources


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
def test_a_full_stdout_is_an_error_of_storage(command, tiny, odd):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        run = command("predict", odd, "--model", tiny, "--json", stdout=full)
    assert run.returncode == 6
    assert "condetr: error: stdout: cannot be written: No space left on device" in run.stderr


@pytest.fixture
def cache(tiny, tmp_path):
    """A hub cache that holds one model at one commit."""
    repository = tmp_path / "cache/models--org--name"
    shutil.copytree(tiny, repository / "snapshots" / COMMIT)
    (repository / "refs").mkdir()
    (repository / "refs/main").write_text(COMMIT)
    return {"HF_HUB_CACHE": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}


def test_the_commit_of_a_hub_model_is_printed_and_stored(command, cache, odd, tmp_path):
    run = command("predict", odd, "--model", "org/name", "--output", tmp_path / "out", "--json", env=cache)
    assert run.returncode == 0, run.stderr
    assert f"org/name is at commit {COMMIT}" in run.stderr
    assert json.loads((tmp_path / "out/run.json").read_text())["revision"] == COMMIT
    assert json.loads(run.stdout)["model"]["revision"] == COMMIT


def test_the_commit_that_a_run_began_with_is_stored(command, cache, tmp_path):
    write_scenes(tmp_path / "data", train=2, val=1)
    words = ("data", "--model", "org/name", "--epochs", "1", "--workers", "0", "--device", "cpu", "--output", "run")
    run = command("train", *words, env=cache, cwd=tmp_path)
    assert run.returncode == 0, run.stderr
    assert f"org/name is at commit {COMMIT}" in run.stderr
    assert yaml.safe_load((tmp_path / "run/config.yaml").read_text())["revision"] == COMMIT


def test_without_a_network_a_hub_name_fails_soon_and_names_the_cache(command, cache, odd):
    start = time.monotonic()
    run = command("predict", odd, "--model", "org/other", "--json", env=cache)
    assert run.returncode == 5
    assert cache["HF_HUB_CACHE"] in run.stderr
    assert time.monotonic() - start < 20, (
        "five seconds, and those that Python and torch take to start on a busy machine"
    )


def test_a_model_is_loaded_without_the_compiler_of_torch():
    """torchvision imports it, which takes as long as torch itself and 100 MB."""
    import subprocess

    code = "import sys, condetr.api.detector; sys.exit(not {'torchvision', 'torch._dynamo'}.isdisjoint(sys.modules))"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_importing_is_light():
    """What takes long is imported when it is first used."""
    import subprocess

    heavy = ("torch", "numpy", "PIL", "huggingface_hub", "typer", "yaml", "rich")
    for statement in ("import condetr", "import condetr.cli.main"):
        allowed = ("typer", "yaml", "rich") if "cli" in statement else ()
        code = f"import sys; {statement}; print([name for name in {heavy!r} if name in sys.modules])"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        assert set(json.loads(found.replace("'", '"'))) <= set(allowed), statement
    assert condetr.__version__
