"""A reader of pages and notebooks, in a folder of its own."""

import signal
import warnings

import pytest

import condetr
from condetr.cli.main import run
from tests.documentation.reader import Reader, shorter_training
from tests.documentation.things import Things, hub_in
from tests.unchecked import without_shape_checks


@pytest.fixture(scope="session")
def things(tmp_path_factory):
    with hub_in(tmp_path_factory.mktemp("hub")):
        yield Things(tmp_path_factory.mktemp("things"))


@pytest.fixture
def reader_of(things, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(condetr.Detector, "train", shorter_training(condetr.Detector.train))
    handler = signal.getsignal(signal.SIGTERM)

    def parse(words):
        """Read the settings of a command line, and stop there."""

        class AreReadError(BaseException):
            pass

        def stop(_):
            raise AreReadError

        with monkeypatch.context() as patch:
            patch.setattr("condetr.cli.settings.command._seed", stop)
            with pytest.raises(AreReadError):
                run([*words, "--seed", "0"])

    with without_shape_checks():
        yield lambda page: Reader(page, things.put, parse)
    signal.signal(signal.SIGTERM, handler)
