import shutil

import huggingface_hub
import pytest
from huggingface_hub import errors

from condetr.checkpoints.hub import find
from condetr.checkpoints.loading import load
from condetr.core.errors import CheckpointError

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
