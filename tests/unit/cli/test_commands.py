import io
import json
import logging
import os
import signal
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from condetr import __main__ as versions
from condetr.cli.commands import doctor
from condetr.cli.interruption import Stopped, finishing_first
from condetr.cli.output.outcome import exit_status_of
from condetr.cli.output.progress_bar import progress
from condetr.cli.output.reporting import Reporter, one_line, say
from condetr.core.errors import MissingExtraError, StorageError, first_line_of
from condetr.images.preprocessing import Preprocessing

FORKED = """
import os, signal
from condetr.cli.interruption import finishing_first, stopping_at_once
with stopping_at_once(), finishing_first():
    child = os.fork()
    if child == 0:
        os._exit([signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] != [signal.SIG_DFL] * 2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert callable(signal.getsignal(signal.SIGTERM))
assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""


def test_what_a_library_forks_is_ended_by_signals():
    """Not by our handlers, which would raise in the middle of what the child does."""
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_convert_writes_a_folder_that_loads_the_same(condetr, condetr_json, model, tmp_path):
    (tmp_path / "names.txt").write_text("katze\nhund\n\nvogel \n", encoding="utf-8")
    status, out, _ = condetr("convert", model / "model.safetensors", "there/out", "--classes", "names.txt")
    assert status == 0
    assert out.startswith("there/out: a detector of 3 classes")
    _, answer, _ = condetr_json("info", "there/out", "--image-size", "64x96")
    assert list(answer["classes"].values()) == ["katze", "hund", "vogel"]
    assert sorted(path.name for path in (tmp_path / "there/out").iterdir()) == [
        "README.md", "config.json", "model.safetensors", "preprocessor_config.json",
    ]  # fmt: skip


@pytest.mark.parametrize("words", [(), ("data",), ("hub",)])
def test_a_missing_command_is_reported_in_words(condetr, words):
    status, out, err = condetr(*words)
    assert status == 2
    assert "Usage: condetr" in out
    assert err == "condetr: error: a command is missing\n"


def test_an_error_of_a_library_without_a_text_is_named():
    assert first_line_of(OSError()) == "OSError"
    assert first_line_of(RuntimeError(" \n")) == "RuntimeError"
    assert first_line_of(ValueError("\na\nb")) == "a"


def test_convert_overwrites_nothing(condetr, model, tmp_path):
    (tmp_path / "out").mkdir()
    assert condetr("convert", model, "out")[0] == 0
    for used in ("out", model / "config.json"):
        status, _, err = condetr("convert", model, used)
        assert status == 2
        assert "exists and is not an empty folder (give a new folder; nothing is overwritten)" in err


def test_convert_refuses_another_architecture_with_keys(condetr, model, tmp_path):
    status, _, err = condetr("convert", model, "out", "--backbone", "resnet50")
    assert status == 5
    assert "keys do not match" in err
    assert err.count("encoder.stages") == 10
    assert " more " in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "says"), [("a\nb\n", "holds 2 names, but the checkpoint has 3"), ("\n", "holds no names")]
)
def test_convert_wants_a_name_for_every_class(condetr, model, tmp_path, text, says):
    (tmp_path / "names.txt").write_text(text)
    status, _, err = condetr("convert", model, "out", "--classes", "names.txt")
    assert status == 2
    assert says in err


def test_info_says_what_a_model_is(condetr, condetr_json, model):
    status, out, _ = condetr("info", model)
    assert status == 0
    assert "classes       3: cat, dog, bird" in out
    _, answer, _ = condetr_json("info", model)
    height, width = answer["flops_image_size"]
    assert (height, width) == Preprocessing.from_dict(answer["preprocessing"]).fit((480, 640))
    assert f"GFLOP for an image of {height}x{width}" in out
    _, answer, _ = condetr_json("info", model, "--image-size", "64x96")
    assert answer["parameters"] == sum(p.numel() for p in _network(model).parameters())
    assert answer["flops_image_size"] == [64, 96]
    assert condetr("info", model, "--image-size", "800")[0] == 2


def test_info_says_what_makes_it_fast(condetr, condetr_json, model):
    _, out, _ = condetr("info", model, "--speed", "--device", "cpu")
    assert "speed         frozen batch norms folded into convolutions" in out
    assert "left out      torch.compile" in out
    _, answer, _ = condetr_json("info", model, "--speed", "--device", "cpu")
    assert answer["speed"]["device"] == "cpu"
    assert "speed" not in condetr_json("info", model)[1]


@pytest.mark.slow
@pytest.mark.filterwarnings("default:torch.compile:UserWarning")  # the command says it
def test_fewer_bits_and_compiling(condetr, condetr_json, model, monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("condetr.speed.accelerate.why_not_compiled", lambda _: None)
    words = ("info", model, "--speed", "--device", "cpu")
    _, out, _ = condetr(*words, "--compile")
    assert "speed         compiled with frozen weights" in out
    assert f"compiled code {tmp_path}" in out
    monkeypatch.setattr("condetr.speed.accelerate.why_not_compiled", lambda _: "needs a compiler")
    _, answer, err = condetr_json(*words, "--compile")
    assert "torch.compile: needs a compiler" in answer["speed"]["left_out"]
    assert "condetr: warning: torch.compile: needs a compiler" in err
    assert "compiled_code" not in answer["speed"]
    for command in (("predict", "a.png"), ("evaluate", "data"), ("benchmark",)):
        (tmp_path / "a.png").touch()
        status, _, err = condetr(*command, "--model", model, "--precision", "fp16", "--device", "cpu")
        assert (status, command[0]) == (2, command[0])
        assert "fp16 is slower on cpu" in err


def _network(model):
    import condetr

    return condetr.load(model).network


def test_doctor_says_what_is_there_and_what_is_wrong(condetr, condetr_json, monkeypatch):
    status, out, _ = condetr("doctor")
    assert status == 0
    assert f"torch {torch.__version__.partition('+')[0]}" in out
    _, answer, _ = condetr_json("doctor")
    assert "cpu" in answer["devices"]
    assert answer["extras"]["onnx"] in (True, False)
    assert not set(answer["extras"]) & {"test", "lint", "dev"}
    assert answer["models"]["condetr/nano"] is True
    assert answer["speed"]["images_per_second"] > 0
    assert answer["hub_answers"] is None, "the hub is asked only with --hub"
    monkeypatch.setattr(doctor, "_version_of", lambda name: None if name == "scipy" else "1")
    monkeypatch.setattr(os, "access", lambda *_: False)
    _, answer, _ = condetr_json("doctor")
    assert "scipy is not installed" in answer["problems"]
    assert any("is not writable" in problem for problem in answer["problems"])


@pytest.mark.parametrize("answers", [True, False])
def test_doctor_asks_the_hub_where_that_is_wanted(condetr, condetr_json, monkeypatch, answers):
    monkeypatch.setattr("condetr.checkpoints.hub.hub_answers", lambda name: answers)
    _, answer, _ = condetr_json("doctor", "--hub")
    assert answer["hub_answers"] is answers
    assert ("the hub does not answer" in answer["problems"]) is not answers
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    _, out, _ = condetr("doctor", "--hub")
    assert f"hub      {'answers' if answers else 'does not answer'}\n" in out


def test_hub_pull_names_the_cache_when_there_is_no_network(condetr):
    status, _, err = condetr("hub", "pull", "org/name")
    assert status == 5
    assert "org/name" in err
    assert "cache" in err


def test_hub_pull_of_a_folder_is_that_folder(condetr_json, model):
    assert condetr_json("hub", "pull", model)[1] == {"path": str(model), "revision": None}


def test_hub_push_looks_before_it_uploads(condetr, condetr_json, model, tmp_path, monkeypatch):
    sent = []
    monkeypatch.setattr(
        "condetr.checkpoints.pushing.push", lambda *args, **more: sent.append((args, more)) or "https://x"
    )
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/config.json").write_text("{")
    assert condetr("hub", "push", "broken", "org/name")[0] == 5
    assert sent == []
    assert condetr_json("hub", "push", model, "org/name", "--private")[1] == {"address": "https://x"}
    assert sent[0][0][1] == "org/name"
    assert sent[0][1]["private"]


def test_a_seed_makes_random_numbers_repeat(condetr, monkeypatch):
    drawn = []
    monkeypatch.setattr("condetr.cli.commands.doctor._problems", lambda found: drawn.append(torch.rand(1).item()) or [])
    condetr("doctor", "--seed", "3")
    condetr("doctor", "--seed", "3")
    assert drawn[0] == drawn[1]


def test_a_seed_is_one_that_every_library_takes(condetr):
    for seed in (-1, 2**32):
        status, _, err = condetr("doctor", "--seed", seed)
        assert (status, err) == (2, f"condetr: error: --seed: is {seed}, expected a number from 0 to 4294967295\n")


@pytest.mark.parametrize(
    "words",
    [
        ("convert", "model", "{}"), ("benchmark", "--model", "model", "--output", "{}"),
        ("explain", "a.png", "--model", "model", "--output", "{}"),
        ("predict", "a.png", "--model", "model", "--output", "{}"),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("file", "file: "), ("file/out", "Not a directory"), ("used", "used: exists and is not an empty folder"),
        ("loop", "loop: "),
        ("nul\0", "null byte"), ("/proc/out", "cannot be written"),
        ("new/deep", "model: "),
    ],
)  # fmt: skip
def test_outputs_that_cannot_be_written_are_refused_and_nothing_is_left(condetr, tmp_path, words, output, reason):
    """The model is not there, so that nothing comes to be written."""
    Image.new("RGB", (40, 30)).save("a.png")
    (tmp_path / "file").touch()
    (tmp_path / "used").mkdir()
    (tmp_path / "used/mine").touch()
    (tmp_path / "loop").symlink_to("loop")
    before = sorted(tmp_path.rglob("*"))
    status, out, err = condetr(*(word.format(output) for word in words))
    assert status == (5 if output == "new/deep" else 2)
    assert reason in err
    assert (out, err.count("\n")) == ("", 1)
    assert sorted(tmp_path.rglob("*")) == before


def failing_with(error):
    def run():
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (StorageError("disk full", source="out"), 6, "condetr: error: out: disk full\n"),
        (MissingExtraError("timm", "timm", "this backbone"), 7, 'needs timm (pip install "condetr[timm]")\n'),
        (MemoryError(), 5, "out of memory"),
        (
            OSError(36, "File name too long", "xx"),
            6,
            "condetr: error: xx: cannot be read or written: File name too long\n",
        ),
        (Stopped(signal.SIGTERM), 143, "stopped by SIGTERM"),
        (KeyError("x"), 1, "this is a bug in condetr, please report it: KeyError: 'x' [test_commands.py:"),
    ],
)
def test_every_end_has_its_status_and_one_line(capsys, error, status, says):
    assert exit_status_of(failing_with(error), debug=False) == status
    err = capsys.readouterr().err
    assert says in err
    assert err.count("\n") == 1
    assert "Traceback" not in err
    assert exit_status_of(failing_with(error), debug=True) == status
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("stub", "says"),
    [
        ("sys.version_info = (3, 10, 4)", "this is Python 3.10.4; condetr needs 3.11 or newer (install Python 3.11)"),
        ("metadata.version = lambda name: '2.9.1+cpu'", "this is PyTorch 2.9.1+cpu; condetr needs 2.10 or newer"),
        ("metadata.version = missing", "PyTorch is not installed"),
    ],
)
def test_what_is_too_old_is_reported_in_one_line(stub, says):
    """Before typer is imported, which may be too new for an old Python."""
    missing = "def missing(name): raise metadata.PackageNotFoundError(name)"
    code = f"import sys; from importlib import metadata\n{missing}\n{stub}\n"
    code += "sys.modules['typer'] = None; import runpy; runpy.run_module('condetr', run_name='__main__')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"condetr: error: {says}")
    assert done.stderr.count("\n") == 1


def test_versions_are_those_of_the_package():
    project = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]
    assert project["requires-python"] == f">={'.'.join(map(str, versions.PYTHON))}"
    assert f"torch>={'.'.join(map(str, versions.TORCH))}" in project["dependencies"]


def test_a_bug_tells_how_to_see_more(capsys):
    exit_status_of(failing_with(ZeroDivisionError("oh")), debug=False)
    assert "(--debug shows the traceback)" in capsys.readouterr().err


@pytest.fixture
def interruptible():
    """SIGINT raises KeyboardInterrupt, also where the tests were started in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_at_any_time_is_130(capsys):
    assert exit_status_of(lambda: os.kill(os.getpid(), signal.SIGINT), debug=False) == 130
    assert "stopped by SIGINT" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_the_second_signal_stops_at_once(capsys):
    with finishing_first() as interruption:
        os.kill(os.getpid(), signal.SIGINT)
        assert interruption.number == signal.SIGINT
        with pytest.raises(Stopped):
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped) as caught:
            interruption.end()
    assert caught.value.exit_status == 130
    assert "once more to stop at once" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "line"), [("a\nb\x1b[1m\udcff\r", "a\\nb\\x1b[1m\\udcff\\r"), ("Grüße 😀", "Grüße 😀")]
)
def test_one_line_stays_one_line(text, line):
    assert one_line(text) == line


def test_a_signal_in_the_middle_of_a_line(monkeypatch, tmp_path):
    """Python refuses to write to a buffer from a signal's handler while it is written to."""
    with (tmp_path / "stderr").open("wb") as file:

        class Busy(io.TextIOWrapper):
            def write(self, text):
                raise RuntimeError("reentrant call")

        stream = Busy(file)
        monkeypatch.setattr(sys, "stderr", stream)
        say("stopped")
        monkeypatch.undo()
        stream.detach()
    assert (tmp_path / "stderr").read_text() == "stopped\n"


def test_stderr_is_closed(monkeypatch):
    class Closed(io.StringIO):
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    say("lost")
    monkeypatch.setattr(sys, "stderr", None)
    say("lost")


@pytest.mark.parametrize(
    ("verbosity", "heard"), [(-1, "e"), (0, "ewin"), (1, "ewin"), (2, "ewin")], ids=["quiet", "plain", "verbose", "all"]
)
def test_warnings_and_logs_are_printed_like_our_own(capsys, monkeypatch, verbosity, heard):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    logger = logging.getLogger("condetr")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", logger.propagate)
    level = logger.level
    reporter = Reporter(verbosity=verbosity)
    reporter.take_over_warnings()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning(UserWarning("w"), UserWarning, "file.py", 3)
    logger.error("e")
    logger.info("i")
    reporter.note("n")
    logger.setLevel(level)
    err = capsys.readouterr().err
    lines = {"w": "condetr: warning: w", "e": "condetr: error: e", "i": "condetr: i", "n": "\nn\n"}
    assert {key for key, line in lines.items() if line in err} == set(heard)


def test_progress_elsewhere_than_on_a_terminal_is_a_line_now_and_then(capsys, monkeypatch):
    now = iter([0.0, 5.0, 11.0, 12.0])
    monkeypatch.setattr("condetr.cli.output.progress_bar.time.monotonic", lambda: next(now))
    with progress("images", 100, Reporter()) as step:
        for _ in range(3):
            step()
    assert capsys.readouterr().err == "2/100 images, 5.50 s each, 8 min 59 s left\n"


def test_progress_on_a_terminal_is_a_bar_with_rate_and_time_left(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    stdout = sys.stdout
    with progress("images", 2, Reporter()) as step:
        assert sys.stdout is stdout, "results go where they went before"
        step()
        say("failed: a.jpg")
        step()
    assert "2/2" in terminal.getvalue()
    assert "failed: a.jpg\n" in terminal.getvalue()
    terminal.truncate(0)
    with progress("images", 2, Reporter(verbosity=-1)) as step:
        step()
    assert "2" not in terminal.getvalue()


def test_time_left_is_shown_after_the_first_step_however_slow_it_is(monkeypatch):
    now = 0.0
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr("condetr.cli.output.progress_bar.time.monotonic", lambda: now)
    with progress("steps", 5, Reporter()) as step:
        now = 45.0
        step()
    assert "45.00 s each" in terminal.getvalue()
    assert "3 min 0 s left" in terminal.getvalue()


def test_json_is_the_same_with_and_without_a_terminal(capsys):
    Reporter(as_json=True).result("text", {"name": "\udcff é"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"name": "\udcff é"}
