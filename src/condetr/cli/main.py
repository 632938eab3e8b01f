"""The command ``condetr``. Nothing heavy is imported before a command runs."""

import os
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import typer

import condetr
from condetr.cli.commands import (
    benchmark,
    convert,
    data,
    data_editing,
    demo,
    doctor,
    evaluate,
    explain,
    export,
    hub,
    info,
    models,
    predict,
    recipes,
    serve,
    train,
    tune,
)
from condetr.cli.commands.labeling import label, label_server, pick
from condetr.cli.examples import epilog
from condetr.cli.output.outcome import exit_status_of
from condetr.cli.settings.command import Run, as_command

_FORMER_FLAGS = {"naming": "pretrain-backbone-steps"}

app = typer.Typer(
    name="condetr",
    help="Detect objects with Conditional DETR.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "token_normalize_func": lambda name: _FORMER_FLAGS.get(name, name),
    },
)
_hub = typer.Typer(name="hub", help="Models to and from the Hugging Face hub.", no_args_is_help=True)
_data = typer.Typer(
    name="data", help="Labeled images: check, count, convert, show, split, change, pick, make.", no_args_is_help=True
)
_COMMANDS: tuple[tuple[typer.Typer, Run], ...] = (
    (app, predict.predict),
    (app, label.label),
    (app, train.train),
    (app, tune.tune),
    (app, recipes.recipes),
    (app, evaluate.evaluate),
    (app, explain.explain),
    (app, export.export),
    (app, benchmark.benchmark),
    (app, serve.serve),
    (app, label_server.label_server),
    (app, demo.demo),
    (app, convert.convert),
    (app, info.info),
    (app, models.models),
    (app, doctor.doctor),
    (_data, data.check),
    (_data, data.stats),
    (_data, data.convert),
    (_data, data.show),
    (_data, data.split),
    (_data, data_editing.merge),
    (_data, data_editing.rename),
    (_data, data_editing.drop),
    (_data, data_editing.dedupe),
    (_data, pick.pick),
    (_data, data.demo),
    (_hub, hub.pull),
    (_hub, hub.push),
)
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # before huggingface_hub is imported, which reads it then
for _app, _run in _COMMANDS:
    _name = _run.__name__.replace("_", "-")
    _words = _name if _app is app else f"{_app.info.name} {_name}"
    _app.command(_name, epilog=epilog(_words))(as_command(_run))
app.add_typer(_data)
app.add_typer(_hub)


def _print_version(wanted: bool) -> bool:  # noqa: FBT001  typer's callback
    if wanted:
        typer.echo(f"condetr {condetr.__version__}")
        raise typer.Exit
    return wanted


_Version = Annotated[bool, typer.Option("--version", help="Show the version.", callback=_print_version, is_eager=True)]


@app.callback()
def _root(version: _Version = False) -> None:  # noqa: FBT002  typer's flag
    pass


def _with_values(words: list[str]) -> list[str]:
    """Flags that may have a value, which the parser does not know."""
    for position, pair in enumerate(pairwise(words)):
        if pair == ("--resume", "auto"):
            return [*words[:position], "--set", "resume=auto", *words[position + 2 :]]
    return ["--set=resume=auto" if word == "--resume=auto" else word for word in words]


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and answer with its exit status; see ``outcome.py``."""
    words = _with_values(list(sys.argv[1:] if arguments is None else arguments))
    return exit_status_of(lambda: app(args=words, prog_name="condetr", standalone_mode=False), debug="--debug" in words)
