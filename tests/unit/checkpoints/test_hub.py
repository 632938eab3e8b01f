import shutil
from threading import Event

import huggingface_hub
import pytest
import torch
from huggingface_hub import errors

from condetr.bundled import DIGITS, bundled_models
from condetr.checkpoints.hub import cached_revision, find, hub_answers, is_cached
from condetr.checkpoints.loading import load
from condetr.checkpoints.saving import save
from condetr.core.errors import CheckpointError
from tests.unit.checkpoints.conftest import LABELS

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub whose answer is `hub.answer`, an error or a folder; it keeps what it was asked."""

    class Hub:
        def __init__(self):
            self.answer, self.asked = None, []

        def download(self, name, **options):
            self.asked.append((name, options))
            if isinstance(self.answer, Exception):
                raise self.answer
            return str(self.answer)

    fake = Hub()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", fake.download)
    return fake


def test_a_hub_model_knows_its_commit(hub, folder, tmp_path):
    hub.answer = shutil.copytree(folder, tmp_path / "snapshots" / COMMIT)
    checkpoint = load("org/name", revision="main", token="secret", cache_dir="elsewhere")
    assert checkpoint.provenance.revision == COMMIT
    ((name, options),) = hub.asked
    assert (name, options["revision"], options["token"], options["cache_dir"]) == (
        "org/name",
        "main",
        "secret",
        "elsewhere",
    )
    assert not any(pattern.endswith(("py", "bin", "*")) for pattern in options["allow_patterns"])


def test_pickles_are_fetched_only_where_there_is_nothing_else(hub, tmp_path):
    hub.answer = tmp_path
    find("org/name")
    assert [any("bin" in pattern for pattern in options["allow_patterns"]) for _, options in hub.asked] == [False, True]


def test_settings_are_fetched_without_the_weights(hub, tmp_path):
    hub.answer = tmp_path
    find("org/name", settings_only=True)
    ((_, options),) = hub.asked
    assert options["allow_patterns"] == ["config.json", "preprocessor_config.json"]


def test_local_paths_never_ask_the_hub(hub, folder, monkeypatch):
    monkeypatch.chdir(folder.parent.parent)
    hub.answer = AssertionError("asked")
    assert find(f"{folder.parent.name}/model").path.name == "model"  # looks like a hub id
    assert find(folder / "config.json").revision is None


@pytest.fixture
def bundled(monkeypatch, tmp_path, detector):
    """A package with one more model, stored in half precision."""
    save(tmp_path / "bundled/pico", detector, LABELS, dtype=torch.float16)
    (tmp_path / "bundled/empty").mkdir()
    models = {f"condetr/{name}": tmp_path / "bundled" / name for name in ("pico",)}
    assert bundled_models(tmp_path / "bundled") == models
    monkeypatch.setattr("condetr.checkpoints.hub.bundled_models", lambda: models)


def test_bundled_models_have_names(hub, bundled, detector, tmp_path):
    hub.answer = AssertionError("asked")
    checkpoint = load("condetr/pico")
    assert (checkpoint.labels, checkpoint.provenance.path) == (LABELS, tmp_path / "bundled/pico")
    state = detector.half().float().state_dict()
    assert {tensor.dtype for tensor in state.values()} == {torch.float32}
    assert all(torch.equal(tensor, state[name]) for name, tensor in checkpoint.detector.state_dict().items())
    hub.answer = hub_error(errors.RepositoryNotFoundError)
    with pytest.raises(CheckpointError, match=r"condetr/femto: .*part of the package are condetr/pico"):
        load("condetr/femto")
    assert DIGITS in bundled_models()


def test_a_model_is_cached_where_its_weights_are(hub, folder, tmp_path):
    hub.answer = shutil.copytree(folder, tmp_path / "snapshots" / COMMIT)
    assert (cached_revision("org/name"), is_cached("org/name")) == (COMMIT, True)
    assert all(options["local_files_only"] for _, options in hub.asked)
    (hub.answer / "model.safetensors").unlink()
    assert (cached_revision("org/name"), is_cached("org/name")) == (None, False)
    hub.answer = hub_error(errors.LocalEntryNotFoundError)
    assert not is_cached("org/name")


def test_a_hub_that_is_offline_or_slow_does_not_answer(monkeypatch):
    asked, released = [], Event()

    def model_info(api, name, timeout):
        asked.append((name, timeout))
        if name == "org/slow":
            released.wait(60)
        if name == "org/none":
            raise hub_error(errors.RepositoryNotFoundError)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr("condetr.checkpoints.hub.PATIENCE", 5)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert (hub_answers("org/name"), asked) == (False, [])
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    assert hub_answers("org/name")
    assert not hub_answers("org/none")
    assert asked == [("org/name", 5), ("org/none", 5)]
    monkeypatch.setattr("condetr.checkpoints.hub.PATIENCE", 0.1)
    assert not hub_answers("org/slow")
    assert not released.is_set(), "the answer of the hub was waited for"
    released.set()


def hub_error(kind):
    error = kind.__new__(kind)
    Exception.__init__(error, "error of the hub\nadvice")
    return error


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (errors.GatedRepoError, "gated.*access"),
        (errors.RepositoryNotFoundError, "not on the hub.*check the name"),
        (errors.RevisionNotFoundError, "no revision 'v9'"),
        (errors.LocalEntryNotFoundError, "not in the cache.*connect"),
        (errors.OfflineModeIsEnabled, "not in the cache.*connect"),
        (errors.HfHubHTTPError, "cannot be fetched: error of the hub"),
        (ConnectionError, "cannot be fetched: error of the hub"),
    ],
)
def test_errors_name_id_cache_and_remedy(hub, kind, message):
    hub.answer = hub_error(kind)
    with pytest.raises(CheckpointError, match=rf"^org/name: .*{message}") as caught:
        find("org/name", revision="v9", cache_dir="elsewhere")
    assert "cache elsewhere" in str(caught.value)


@pytest.mark.parametrize(
    "reference", ["", "nothing", "./no/such", "/no/such/folder", "a/b/c", "no/such.pth", "~nobody/x", "x" * 5000]
)
def test_what_is_neither_here_nor_a_hub_id(hub, reference):
    hub.answer = AssertionError("asked")
    with pytest.raises(CheckpointError, match=r"neither|cannot be accessed"):
        find(reference)


def test_offline_the_answer_comes_at_once(tmp_path):
    with pytest.raises(CheckpointError, match=r"org/name: is not a local folder and not in the cache"):
        find("org/name", cache_dir=tmp_path)
