import os
from pathlib import Path

import hypothesis
import pytest
import torch

SHARED = Path(__file__).parents[2] / "shared"
THREADS = int(os.environ.get("CONDETR_TEST_THREADS", "1"))  # any number must do: CONTRIBUTING.md

# Before any test module copies the environment. A test never reaches the network: one that would fails at once. And it
# reads its data itself, and leaves nothing behind; tests of the cache have one of their own.
os.environ |= {"HF_HUB_OFFLINE": "1", "CONDETR_DATA_CACHE": "off"}

# The same examples in every run; other ones with `--hypothesis-profile search`.
hypothesis.settings.register_profile("repeatable", derandomize=True, max_examples=30)
hypothesis.settings.register_profile("search", max_examples=1000, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def _repeatable():
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real images, expected numbers and hostile files that are no part of the project."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference material in {SHARED}")
    return SHARED
