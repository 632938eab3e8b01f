import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def goldens(shared: Path) -> ModuleType:
    """The loader of the stored numbers: `expected(case)`, `targets(case)`, `inputs(case)`, `state_dict(case, fmt)`."""
    spec = importlib.util.spec_from_file_location("goldens_loader", shared / "goldens" / "loader.py")
    loader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loader)
    return loader
