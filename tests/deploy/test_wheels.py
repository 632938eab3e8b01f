"""The wheels hold the package and nothing else, and run from an environment where there is no checkout."""

import json
import os
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from condetr.data.demo.scenes import scene

ROOT = Path(__file__).parents[2]
WHEELS = {"condetr": ROOT, "condetr_run": ROOT / "run"}  # packages, and what they are built of


def run(*words, **options):
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index")
    run(*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", folder, *WHEELS.values())
    return {path.name.partition("-")[0]: path for path in folder.glob("*.whl")}


@pytest.mark.slow
@pytest.mark.parametrize("package", WHEELS)
def test_a_wheel_holds_the_files_of_its_package_only(wheels, package):
    source = WHEELS[package] / "src"
    files = {
        path.relative_to(source).as_posix()
        for path in (source / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheels[package]) as wheel:
        about = {name for name in wheel.namelist() if ".dist-info/" in name}
        assert set(wheel.namelist()) - about == files
    assert any(name.endswith("entry_points.txt") for name in about)
    if package == "condetr":
        assert any(name.endswith("licenses/LICENSE") for name in about)
        assert {
            "condetr/py.typed",
            "condetr/bundled/nano/model.safetensors",
            "condetr/bundled/recipes/digits.yaml",
            "condetr/data/assets/digits.npz",
            "condetr/evaluation/page/assets/page.html",
        } <= files


@pytest.mark.slow
def test_an_installed_wheel_needs_no_checkout(wheels, tmp_path):
    """The libraries are those of this environment, without its condetr: only the wheel is installed."""
    environment, here = tmp_path / "environment", tmp_path / "here"
    run(sys.executable, "-m", "venv", "--without-pip", environment)
    python = environment / "bin/python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", *wheels.values())
    (installed,) = environment.glob("lib/python*/site-packages")
    (installed / "libraries.pth").write_text("\n".join(site.getsitepackages()) + "\n")  # whose own .pth are not read

    here.mkdir()
    scene(1, split="val").image.save(here / "scene.png")
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    there = {"cwd": here, "env": variables}
    path = run(python, "-c", "import condetr; print(condetr.__file__)", **there)
    assert Path(path.strip()).is_relative_to(installed)
    assert "predict" in run(environment / "bin/condetr", "--help", **there)
    assert "condetr-run" in run(environment / "bin/condetr-run", "--help", **there)
    found = json.loads(run(environment / "bin/condetr", "predict", "scene.png", "--json", **there))
    assert found["results"][0]["detections"], found
