"""What ``import condetr`` offers, and that it costs nothing until it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

import condetr


def test_every_name_is_there():
    for name in condetr._HOMES:
        assert getattr(condetr, name).__name__ == name
        assert name in dir(condetr)
    with pytest.raises(AttributeError, match="no attribute 'lood'"):
        _ = condetr.lood


def test_importing_is_light():
    code = "import condetr, sys; assert not {'torch', 'numpy', 'PIL', 'scipy', 'huggingface_hub'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_table_and_the_type_checker_agree():
    source = Path(condetr.__file__).read_text(encoding="utf-8")
    for name, home in condetr._HOMES.items():
        assert f"from {home} import {name} as {name}\n" in source
