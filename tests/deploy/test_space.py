"""The Space shows a model on a page, and needs no network for one that is there."""

import asyncio
import os
import re
import runpy
import tomllib
from pathlib import Path

import pytest
import yaml

gradio = pytest.importorskip("gradio", minversion="6", reason='needs "condetr[demo]"')

ROOT = Path(__file__).parents[2]
SPACE = ROOT / "deploy" / "space"


@pytest.mark.parametrize("reference", [None, "bundled folder"])
def test_the_page_is_built_for_the_model_that_the_environment_names(monkeypatch, tmp_path, reference):
    from condetr.bundled import bundled_models

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "environ", os.environ.copy())  # the program sets variables
    if reference is not None:
        reference = str(bundled_models()["condetr/digits"])
        monkeypatch.setenv("CONDETR_MODEL", reference)

    async def build():  # gradio makes an event loop of its own where none runs, and leaves it open
        return runpy.run_path(str(SPACE / "app.py"))

    space = asyncio.run(build())
    assert isinstance(space["demo"], gradio.Blocks)
    assert space["demo"].title == (reference or "condetr/digits")
    assert len(space["examples"]) == (0 if reference else 4)
    parts = {block.elem_id for block in space["demo"].blocks.values()} - {None}
    assert {"image", "threshold", "detections", "table", "attention"} <= parts
    if reference is None:
        from PIL import Image

        with Image.open(space["examples"][0]) as image:
            assert space["explain"](image, 0).width > 100


def test_its_settings_are_those_of_the_project():
    settings, text = re.fullmatch(r"---\n(.*?)\n---\n(.*)", (SPACE / "README.md").read_text(), re.DOTALL).groups()
    settings = yaml.safe_load(settings)
    assert (SPACE / settings["app_file"]).is_file()
    assert f"gradio=={settings['sdk_version']}\n" in (ROOT / "constraints.txt").read_text()
    assert "CONDETR_MODEL" in text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert settings["license"] == project["license"].lower()
    [line] = (SPACE / "requirements.txt").read_text().split()
    assert re.fullmatch(r"condetr\[(\w+)\]", line)[1] in project["optional-dependencies"]
