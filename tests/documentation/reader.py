"""A reader who pastes the blocks of a page, one after the other, into one folder and one interpreter."""

import ast
import contextlib
import enum
import importlib.util
import io
import json
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from condetr.core.denormals import denormals_as_zero
from tests.documentation.blocks import ROOT, SHOWN, Block, commands_of
from tests.documentation.listening import visited

_TRAINING = (("--minutes", "--epochs", "--steps"), "--steps 2 --workers 0 --pretrain-backbone-steps 0")
_SHORTER = {  # options that say how much is done, and what the reader types instead
    ("train",): _TRAINING,
    ("data", "demo"): (("--train", "--val"), "--train 6 --val 3"),
    ("tune",): (("--minutes", "--epochs"), "--minutes 1 --trials 1 --epochs 1 --workers 0"),
    ("benchmark",): (("--rounds",), "--rounds 2"),
}
_SERVICES = ("serve", "demo", "label-server")
_WRITTEN = ("--output", "output")  # a path after them is not read


class Outcome(enum.Enum):
    """What became of a block; of its commands the last in this order counts."""

    RUN = "run as printed"
    SHORTENED = "run, with fewer steps or images"
    PARSED = "parsed and checked"
    NOT_RUN = "not run, with a reason"
    SHOWN = "shown"
    UNKNOWN = "neither run nor with a reason"


def outcome_of(block: Block) -> Outcome:
    """Without running it."""
    if block.language in SHOWN:
        return Outcome.SHOWN
    if block.remark == "not run":
        return Outcome.NOT_RUN
    if block.language == "python":
        return Outcome.SHORTENED if ".train(" in block.text else Outcome.RUN
    if block.language not in ("sh", "console"):
        return Outcome.UNKNOWN
    if block.remark == "only parsed":
        parsed = any(True for words in commands_of(block) for _ in _lines_of_condetr(words))
        return Outcome.PARSED if parsed else Outcome.UNKNOWN
    outcomes = [_outcome_of_command(words) for words in commands_of(block)]
    return max(outcomes, key=list(Outcome).index)


def _outcome_of_command(words: list[str]) -> Outcome:
    if words[:2] == ["condetr", "export"]:
        return Outcome.PARSED  # and what follows runs with a graph that was exported once
    if words[0] == "condetr":
        return Outcome.SHORTENED if _shorter_of(words[1:]) else Outcome.RUN
    if words[0] in ("curl", "condetr-run"):
        return Outcome.RUN
    return Outcome.PARSED if words[0] in ("pip", "make") or words[:2] == ["python", "-m"] else Outcome.UNKNOWN


def _shorter_of(words: list[str]) -> tuple[tuple[str, ...], str] | None:
    return next((how for name, how in _SHORTER.items() if tuple(words[: len(name)]) == name), None)


class Reader:
    """``put`` is called with each path that a block may read, to have something there."""

    def __init__(self, page: Path, put: Callable[[str], None], parse: Callable[[list[str]], None]) -> None:
        self.page, self.put, self.parse, self.names = page, put, parse, {"__name__": "__main__"}

    def follow(self, block: Block) -> None:
        """Do what it says.

        Raises:
            AssertionError: a command fails.
            Exception: of the Python in it.
        """
        outcome = outcome_of(block)
        assert outcome is not Outcome.UNKNOWN, "is neither run, nor does a remark above it say why it is not"
        if block.remark == "file":
            Path(block.about).write_text(block.text, encoding="utf-8")
        elif outcome in (Outcome.SHOWN, Outcome.NOT_RUN):
            return
        elif block.language == "python":
            self._python(block)
        else:
            self._shell(commands_of(block), only_parsed=block.remark == "only parsed")

    def _python(self, block: Block) -> None:
        for node in ast.walk(tree := ast.parse(block.text)):
            if isinstance(node, ast.Call):
                for value in [*node.args, *(word.value for word in node.keywords if word.arg not in _WRITTEN)]:
                    for inner in ast.walk(value):
                        if isinstance(inner, ast.Constant) and isinstance(inner.value, str):
                            self.put(inner.value)
        ast.increment_lineno(tree, block.line - 1)
        exec(compile(tree, str(self.page), "exec"), self.names)

    def _shell(self, commands: list[list[str]], *, only_parsed: bool) -> None:
        for number, words in enumerate(commands):
            if only_parsed:
                for line in _lines_of_condetr(words):
                    if "--config" in line:
                        self.put(line[line.index("--config") + 1])
                    self.parse(line)
            elif words[:2] == ["condetr", "export"]:
                self.parse(words[1:])
                self.put(words[words.index("--output") + 1])
            elif words[0] == "condetr":
                calls = [following for following in commands[number + 1 :] if following[0] == "curl"]
                self._condetr(words[1:], calls)
            elif words[0] == "condetr-run":
                self._condetr_run(words[1:])
            elif words[0] == "curl":
                assert any(words[:2] == ["condetr", "serve"] for words in commands[:number]), "nothing listens"
            else:
                _check_foreign(words)

    def _condetr(self, words: list[str], calls: list[list[str]]) -> None:
        from condetr.cli.main import run

        words, pipe = (words[: words.index("|")], words[words.index("|") + 1 :]) if "|" in words else (words, [])
        self._read(words)
        for call in calls:
            self._read(["curl", *(word.rpartition("@")[2] for word in call)])
        words = shortened(words)
        if words[0] in _SERVICES:
            if calls and shutil.which("curl") is None:
                pytest.skip("needs curl")
            answers = visited(words, calls)
            assert all(answers), answers
            return
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            status = run(words)
        assert status == 0, f"condetr {' '.join(words)}: exit status {status}"
        if pipe:
            assert pipe[0] == "jq", pipe
            assert json.loads(printed.getvalue())[pipe[1].removeprefix(".")]

    def _condetr_run(self, words: list[str]) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(ROOT / "run/src")
            from condetr_run.command import main

            self._read(["condetr-run", *words])
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed), denormals_as_zero():  # it leaves its thread so
                status = main(words)
        assert status == 0, f"condetr-run {' '.join(words)}: exit status {status}"
        assert printed.getvalue()

    def _read(self, words: list[str]) -> None:
        if words[:2] == ["data", "demo"]:
            return  # it only writes
        words = words[2:] if words[0] in ("data", "hub") else words[1:]
        for before, word in zip(["", *words], words, strict=False):
            if before not in _WRITTEN or "--resume" in words:
                self.put(word)


def _lines_of_condetr(words: list[str]) -> Iterator[list[str]]:
    """Command lines of condetr in one, which a launcher may start."""
    if "condetr" in words:
        yield words[words.index("condetr") + 1 :]
    for word in words:
        if word.startswith("condetr "):
            yield shlex.split(word)[1:]


def shortened(words: list[str]) -> list[str]:
    """The same command, doing less where that takes long."""
    how = _shorter_of(words)
    if how is None:
        return words
    left_out, instead = how
    kept = [word for before, word in zip(["", *words], words, strict=False) if not {before, word} & set(left_out)]
    return [*kept, *instead.split()]


def _check_foreign(words: list[str]) -> None:
    """That what a command of another program names is there."""
    if words[:2] == ["pip", "install"]:
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for word in words[2:]:
            if word.startswith("."):
                folder, _, named = word.partition("[")
                assert (ROOT / folder / "pyproject.toml").is_file(), word
                wanted = set(filter(None, named.rstrip("]").split(",")))
            else:
                wanted = Requirement(word).extras if Requirement(word).name == "condetr" else set()
            assert wanted <= extras.keys(), f"{word}: no such extra"
    elif words[0] == "make":
        rules = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        assert set(words[1:]) <= rules, f"{words}: no such rule in the Makefile"
    else:
        program = importlib.util.find_spec(words[2])
        assert program is not None, f"{words}: no such module"
        source = Path(str(program.origin)).read_text(encoding="utf-8")
        options = [word for word in words if word.startswith("--")]
        assert all(option in source for option in options), f"{words}: no such option"


def shorter_training(train: Callable[..., Any]) -> Callable[..., Any]:
    """``Detector.train`` of two steps."""

    def two_steps(self: Any, data: Any, **options: Any) -> Any:
        for name in ("minutes", "epochs", "steps"):
            options.pop(name, None)
        return train(self, data, steps=2, workers=0, **options)

    return two_steps
