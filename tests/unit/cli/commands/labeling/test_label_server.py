import socket
import sys

import pytest
import torch

from condetr.cli.commands.labeling import label_server
from condetr.cli.commands.serve import Protocol
from condetr.core.errors import SettingsError
from condetr.images.detections import Detections

pytest.importorskip("uvicorn", reason='needs "condetr[serve]"')

from tests.unit.serving.served import eventually


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "document_root: is required: a folder of Label Studio's images"),
        (["--document-root", "gone"], "--document-root: is gone, which is no folder"),
        (["--data-folder", ".", "--train-command", "sh 'a"], "--train-command: cannot be split into words"),
        (["--data-folder", ".", "--train-command", " "], "--train-command: is empty"),
        (["--data-folder", ".", "--tolerance", "-1"], "--tolerance: is -1"),
        (["--data-folder", ".", "--threshold", "2"], "threshold: is 2"),
        (["--data-folder", ".", "--threshold", "0.5,cow=0.4"], "the model has no class 'cow'"),
    ],
)
def test_what_cannot_be_done_is_refused(condetr, model, words, message):
    status, out, err = condetr("label-server", "--model", model, *words)
    assert (status, out) == (2, "")
    assert message in err


def test_the_server_gets_the_protocol_of_label_studio(condetr, model, tmp_path, monkeypatch):
    from condetr.serving import server

    seen = {}

    def serve(predictor, listening, info, limits, **options):
        seen.update(options, port=listening.getsockname()[1], threshold=info.threshold)
        return server.Ended(server.End.DRAINED, stuck=False)

    monkeypatch.setattr(server, "serve", serve)
    words = (
        "label-server",
        "--model",
        model,
        "--document-root",
        tmp_path,
        "--threshold",
        "0.4,cat=0.7",
        "--port",
        free_port(),
    )
    status, _, err = condetr(*words, "--port", free_port(), "--train-command", f"{sys.executable} -c pass")
    assert status == 0, err
    backend = seen["make_app"].__self__
    assert (backend.model, backend.images.document_root, seen["threshold"]) == (model.name, tmp_path, 0.4)
    assert backend.hook.start(b"{}")
    eventually(lambda: not backend.hook.is_running)
    found = Detections(
        torch.zeros(3, 4), torch.tensor([0.8, 0.6, 0.5]), torch.tensor([0, 0, 1]), ("cat", "cat", "dog"), (9, 9)
    )
    assert [(row["label"], round(row["score"], 3)) for row in seen["rows"](found)] == [("cat", 0.8), ("dog", 0.5)]


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_commands_are_split_as_a_shell_does():
    settings = label_server.LabelServerSettings(train_command="sh 're train.sh' --epochs 5")
    assert settings.words() == ["sh", "re train.sh", "--epochs", "5"]
    assert label_server.LabelServerSettings().words() == []
    with pytest.raises(SettingsError):
        label_server.LabelServerSettings(train_command="'")
    assert Protocol().options() == {}
