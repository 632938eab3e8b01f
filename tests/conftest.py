import gc
import logging
import os
from functools import partial
from pathlib import Path

import hypothesis
import pytest
import torch

from tests.exports import exported_once, noise_images
from tests.fork_server import ForkServer

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


@pytest.fixture(autouse=True)
def _own_logging():
    """Commands that run in this process, also those of fixtures of a module, set up the logger of condetr."""
    logger = logging.getLogger("condetr")
    logger.handlers, logger.propagate = [], True
    logger.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def forked():
    """Starts Python programs that need not import PyTorch; as subprocess.Popen and run."""
    with ForkServer() as server:
        yield server


@pytest.fixture(scope="session")
def digits_as(tmp_path_factory):
    """The bundled detector as a graph, by the name of its format."""
    import condetr

    return lambda form: exported_once(tmp_path_factory.getbasetemp(), "digits", form, condetr.load().export)


@pytest.fixture(scope="session")
def segmenter_model(tmp_path_factory):
    """A tiny segmenter, one of whose classes is stuff, from a folder."""
    import condetr
    from condetr.checkpoints.config.class_names import STUFF
    from condetr.checkpoints.saving import save
    from tests.tiny import LABELS, PREPROCESSING, tiny_segmenter

    folder = tmp_path_factory.mktemp("segmenter")
    save(folder, tiny_segmenter(), LABELS, preprocessing=PREPROCESSING.to_dict(), flat={STUFF: [1]})
    return condetr.load(folder)


@pytest.fixture(scope="session")
def segmenter_as(segmenter_model, tmp_path_factory):
    """It as a graph, by the name of its format."""
    base = tmp_path_factory.getbasetemp()
    export = partial(segmenter_model.export, pictures=noise_images())
    return lambda form: exported_once(base, "segmenter", form, export)


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real images, expected numbers and hostile files that are no part of the project."""
    if not SHARED.is_dir():
        pytest.skip(f"needs the reference material in {SHARED}")
    return SHARED


@pytest.hookimpl(tryfirst=True)  # before those that are not wanted are left out
def pytest_collection_modifyitems(items):
    """What starts programs takes the seconds of the server's start."""
    for item in items:
        if "forked" in getattr(item, "fixturenames", ()):
            item.add_marker("slow")


def pytest_collection_finish():
    """What was imported stays: the collector of cycles takes a tenth of the time if it looks through it every time."""
    gc.collect()
    gc.freeze()


def pytest_sessionfinish():
    """Or libraries report at the end what was never collected."""
    gc.unfreeze()
