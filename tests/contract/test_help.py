"""Help texts end with examples that work, and group the options of commands that have many."""

import shlex

import pytest
import typer

from condetr.cli.commands.evaluate import EvaluateSettings
from condetr.cli.examples import EXAMPLES
from condetr.cli.main import app
from condetr.cli.settings.command import CommonSettings
from condetr.cli.settings.predict_settings import PredictSettings
from condetr.cli.settings.settings_tree import flagged
from condetr.cli.settings.train_settings import TrainSettings


def commands(group=None, words=()):
    for name, command in (group or typer.main.get_command(app)).commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        else:
            yield " ".join((*words, name)), command


COMMANDS = dict(commands())


def test_every_command_has_examples():
    assert EXAMPLES.keys() == COMMANDS.keys()


@pytest.mark.parametrize(
    ("words", "example"), [(words, example) for words, examples in EXAMPLES.items() for example in examples]
)
def test_an_example_is_of_its_command_and_has_its_options(words, example):
    command, given = COMMANDS[words], shlex.split(example)
    begin = ["condetr", *words.split()]
    assert given[: len(begin)] == begin
    rest = given[len(begin) :]
    options = {name: option for option in command.params for name in option.opts if name.startswith("-")}
    arguments = [parameter for parameter in command.params if not parameter.opts[0].startswith("-")]
    positional = 0
    while rest:
        word = rest.pop(0)
        if word.startswith("-"):
            assert word in options
            if not options[word].is_flag:
                rest.pop(0)
        else:
            positional += 1
    least = sum(argument.required for argument in arguments)
    assert least <= positional
    assert positional <= len(arguments) or any(argument.nargs != 1 for argument in arguments)


@pytest.mark.parametrize("settings", [TrainSettings, PredictSettings, EvaluateSettings])
def test_every_option_is_in_one_group(settings):
    grouped = [path for paths in settings.PANELS.values() for path in paths]
    assert len(set(grouped)) == len(grouped)
    assert set(grouped) == flagged(settings).keys() - CommonSettings.__dataclass_fields__.keys()
