"""What ``import condetr`` offers, and that it costs nothing until it is used."""

import ast
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
    imports = [
        node for node in ast.walk(ast.parse(Path(condetr.__file__).read_text())) if isinstance(node, ast.ImportFrom)
    ]
    seen = {name.asname: (node.module, name.name) for node in imports for name in node.names if name.asname}
    assert seen == {name: (home, name) for name, home in condetr._HOMES.items()}
