"""``condetr serve`` up to the moment it serves; tests/end_to_end/test_serve.py goes on from there."""

import socket
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason='needs "condetr[serve]"')
pytest.importorskip("starlette", reason='needs "condetr[serve]"')
pytest.importorskip("prometheus_client", reason='needs "condetr[serve]"')

from condetr.serving import server


@pytest.fixture
def ending(monkeypatch):
    """Lets the service end at once, in this way; gives what it was called with."""

    def end_with(end):
        seen = {}

        def serve(predictor, listening, info, limits, **more):
            seen.update(address=listening.getsockname(), info=info, limits=limits, **more)
            return server.Ended(end, stuck=False)

        monkeypatch.setattr(server, "serve", serve)
        return seen

    return end_with


def test_what_is_served_is_what_was_asked_for(condetr, model, ending, tmp_path):
    seen = ending(server.End.DRAINED)
    (tmp_path / "token").write_text("sesame\n")
    words = ("--batch", 3, "--port", 0, "--threshold", 0.25, "--token-file", "token", "--set", "limits.queue=7")
    status, out, err = condetr("serve", "--model", model, *words)
    assert (status, out) == (0, "")
    assert "listening on http://127.0.0.1:" in err
    assert seen["address"][0] == "127.0.0.1"
    assert (seen["batch"], seen["limits"].queue) == (3, 7)
    info = seen["info"]
    assert (info.threshold, info.token, info.metrics) == (0.25, "sesame", True)
    assert info.name == model.name
    assert info.classes == ("cat", "dog", "bird")
    assert info.backend == "torch"
    assert condetr("serve", "--model", model, "--port", 0, "--name", "birds")[0] == 0
    assert seen["info"].name == "birds"


def test_a_backend_that_a_model_has_no_graph_for_is_refused(condetr, model):
    status, _, err = condetr("serve", "--model", model, "--backend", "onnx", "--port", 0)
    assert status == 2
    assert "is no graph for onnx" in err
    assert "condetr export" in err


@pytest.mark.parametrize(("end", "status"), [("DRAINED", 0), ("CUT_SHORT", 1), ("BROKEN", 5)])
def test_the_exit_status_tells_how_it_ended(condetr, model, ending, end, status):
    ending(server.End[end])
    assert condetr("serve", "--model", model, "--port", 0)[0] == status


def test_a_port_that_is_taken_is_a_slip(condetr):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        status, _, err = condetr("serve", "--model", "nowhere", "--port", taken.getsockname()[1], "-q")
    assert status == 2
    assert err.count("\n") == 1
    assert "Address already in use" in err


def test_other_machines_are_let_in_with_a_warning(condetr, model, ending, monkeypatch):
    seen = ending(server.End.DRAINED)
    _, _, err = condetr("serve", "--model", model, "--host", "0.0.0.0", "--port", 0)
    assert "warning: 0.0.0.0 can be reached by other machines" in err
    assert "warning: without a token" in err
    assert not seen["info"].metrics
    monkeypatch.setenv("CONDETR_TOKEN", "sesame")
    _, _, err = condetr("serve", "--model", model, "--host", "0.0.0.0", "--port", 0)
    assert "without a token" not in err
    assert (seen["info"].token, seen["info"].metrics) == ("sesame", True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--batch", "0"], "batch"),
        (["--threshold", "1.5"], "threshold"),
        (["--port", "70000"], "port"),
        (["--name", "a/b"], "name: is 'a/b'"),
        (["--host", "203.0.113.7"], "203.0.113.7"),
        (["--host", ""], "'' port 8000"),
        (["--allowed-host", ""], "--allowed-host: is ''"),
        (["--set", "limits.queue=0"], "limits.queue: is 0, expected more than 0"),
        (["--set", "limits.quue=1"], "limits.queue"),
        (["--set", "limits.all_bytes=1"], "less than one body_bytes"),
    ],
)
def test_what_cannot_be_is_refused(condetr, words, message):
    status, _, err = condetr("serve", "--model", "nowhere", *words)
    assert status == 2
    assert message in err


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_nothing_is_served_with_a_pillow_that_has_known_holes(condetr, monkeypatch, command):
    if command == "demo":
        pytest.importorskip("gradio", minversion="6", reason='needs "condetr[demo]"')
    monkeypatch.setattr("PIL.__version__", "12.2.0")
    status, _, err = condetr(command, "--model", "nowhere", "--port", 0)
    assert status == 2
    assert "Pillow: is 12.2.0, which has known vulnerabilities" in err
    assert 'pip install "pillow>=12.3"' in err


def test_the_extras_ask_for_the_pillow_that_is_asked_for_here():
    from condetr.serving.process.library_versions import PILLOW

    extras = tomllib.loads((Path(__file__).parents[4] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for extra in ("serve", "demo"):
        assert f"pillow>={'.'.join(map(str, PILLOW))}" in extras[extra]


@pytest.mark.parametrize(
    ("words", "hosts"),
    [
        (
            ["--allowed-host", "a.example", "--allowed-host", "b.example,c.example"],
            ["a.example", "b.example", "c.example"],
        ),
        (["--allowed-host", "*"], ["*"]),
        ([], []),
    ],
)
def test_names_are_allowed_again_and_again(condetr, model, ending, words, hosts):
    seen = ending(server.End.DRAINED)
    assert condetr("serve", "--model", model, "--port", 0, *words)[0] == 0
    assert list(seen["allowed_hosts"]) == ["127.0.0.1", *hosts]


def test_a_token_file_holds_a_token(condetr, tmp_path):
    (tmp_path / "empty").touch()
    assert condetr("serve", "--token-file", "empty")[0] == 2
    status, _, err = condetr("serve", "--token-file", "missing")
    assert status == 6
    assert "missing: token_file: cannot be read" in err


def test_without_the_extra_the_pip_line_is_printed(condetr, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "condetr.serving.server", None)
    monkeypatch.setitem(__import__("sys").modules, "uvicorn", None)
    status, _, err = condetr("serve")
    assert status == 7
    assert 'pip install "condetr[serve]"' in err


def a_free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_the_variables_of_vertex_ai_hold(condetr, model, ending, monkeypatch):
    seen, port = ending(server.End.DRAINED), a_free_port()
    for name, value in {
        "HTTP_PORT": str(port),
        "HEALTH_ROUTE": "/v1/endpoints/7/deployedModels/8",
        "PREDICT_ROUTE": "/v1/endpoints/7/deployedModels/8:predict",
        "STORAGE_URI": str(model),
    }.items():
        monkeypatch.setenv(f"AIP_{name}", value)
    status, _, err = condetr("serve")
    assert status == 0
    assert f"the model is that of AIP_STORAGE_URI: {model}" in err
    info = seen["info"]
    assert seen["address"][1] == port
    assert (info.name, info.classes) == (model.name, ("cat", "dog", "bird"))
    assert info.health_routes == ("/v1/endpoints/7/deployedModels/8",)
    assert info.predict_routes == ("/v1/endpoints/7/deployedModels/8:predict",)
    monkeypatch.setenv("AIP_STORAGE_URI", "/nowhere")
    assert condetr("serve", "--model", model, "--port", 0)[0] == 0, "options come first"
    assert seen["address"][1] != port
    monkeypatch.setenv("AIP_HTTP_PORT", "")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "")
    assert condetr("serve", "--model", model, "--port", 0)[0] == 0
    assert seen["info"].predict_routes == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AIP_HTTP_PORT", "http"),
        ("AIP_HTTP_PORT", "0"),
        ("AIP_HTTP_PORT", "70000"),
        ("AIP_HTTP_PORT", "8" * 9999),
        ("AIP_HEALTH_ROUTE", "health"),
        ("AIP_PREDICT_ROUTE", "/predict?x=1"),
        ("AIP_PREDICT_ROUTE", "/{path}"),
    ],
)
def test_a_variable_that_cannot_be_is_refused(condetr, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    status, _, err = condetr("serve", "--model", "nowhere", "-q")
    assert status == 2
    assert f"{name}: is " in err
    assert len(err) < 200


def test_a_model_is_copied_from_a_storage(condetr, model, ending, monkeypatch):
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.put(str(model), "/bucket/birds", recursive=True)
    seen = ending(server.End.DRAINED)
    monkeypatch.setenv("AIP_STORAGE_URI", "memory://bucket/birds")
    assert condetr("serve", "--port", 0)[0] == 0
    assert (seen["info"].name, seen["info"].classes) == ("birds", ("cat", "dog", "bird"))
    monkeypatch.setenv("AIP_STORAGE_URI", "memory://bucket/cats")
    status, _, err = condetr("serve", "--port", 0, "-q")
    assert status == 6
    assert "memory://bucket/cats: AIP_STORAGE_URI: " in err


def test_a_storage_whose_library_is_missing(condetr, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gcsfs", None)
    monkeypatch.setenv("AIP_STORAGE_URI", "gs://bucket/birds")
    status, _, err = condetr("serve", "--port", 0, "-q")
    assert status == 7
    assert "a model at gs:// needs gcsfs (pip install gcsfs)" in err
