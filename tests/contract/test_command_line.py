"""What people may type: every command, its options and their explanations."""

import re
import subprocess
import sys
from dataclasses import fields, is_dataclass
from typing import get_args, get_type_hints

import pytest

from condetr.cli.commands import (
    benchmark,
    convert,
    data,
    data_editing,
    demo,
    doctor,
    explain,
    export,
    hub,
    info,
    serve,
)
from condetr.cli.commands.labeling import label, label_server, pick
from condetr.cli.main import run
from condetr.cli.settings import predict_settings, train_settings, tune_settings
from condetr.cli.settings.command import CommonSettings
from condetr.cli.settings.settings_tree import flag_of

SETTINGS = {
    ("predict",): predict_settings.PredictSettings,
    ("train",): train_settings.TrainSettings,
    ("tune",): tune_settings.TuneSettings,
    ("explain",): explain.ExplainSettings,
    ("export",): export.ExportSettings,
    ("benchmark",): benchmark.BenchmarkSettings,
    ("serve",): serve.ServeSettings,
    ("label",): label.LabelSettings,
    ("label-server",): label_server.LabelServerSettings,
    ("data", "pick"): pick.PickSettings,
    ("data", "split"): data.SplitSettings,
    ("data", "merge"): data_editing.EditSettings,
    ("data", "dedupe"): data_editing.DedupeSettings,
    ("demo",): demo.DemoSettings,
    ("convert",): convert.ConvertSettings,
    ("info",): info.InfoSettings,
    ("models",): CommonSettings,
    ("doctor",): doctor.DoctorSettings,
    ("hub", "pull"): hub.PullSettings,
    ("hub", "push"): hub.PushSettings,
}
EVERYWHERE = (
    "--config",
    "--set",
    "--device",
    "--seed",
    "--json",
    "--quiet",
    "-q",
    "--verbose",
    "-v",
    "--debug",
    "--help",
)
PROMISED = {
    ("predict",): (
        "--model --backend --threshold --classes --batch --save --output --top-k --overwrite --resume --image-size"
        " --track --precision --compile --tile --shard --merge --decode-workers --max-pixels"
    ),
    ("train",): (
        "--model --epochs --batch --accumulate --lr --lr-backbone --schedule --warmup --freeze --ema --precision"
        " --image-size --max-size --augment --query-groups --patience --workers --log --overfit --output --resume"
        " --pretrain-backbone-steps --flip --flip-vertical --quarter-turns --min-visibility"
    ),
    ("tune",): "--minutes --trials --search --output --resume --epochs --validation",
    ("explain",): "--model --detection --threshold --classes --top-k --pixel --output --overwrite --image-size",
    ("export",): "--model --format --dynamic --precision --verify --output",
    ("benchmark",): "--model --backend --precision --compile --batch --image-size --output",
    ("label",): "--model --output --format --threshold --task --copy --split --tolerance --classes --batch --tile",
    ("label-server",): "--model --document-root --data-folder --train-command --port --token-file --threshold",
    ("data", "pick"): "--model --count --output --exclude --batch",
    ("data", "split"): "--all --group --shares --link --labels-only --to",
    ("data", "dedupe"): "--bits --link --labels-only --to --masks",
    ("serve",): "--model --threshold --classes --batch --host --port --token-file",
    ("demo",): "--model --threshold --port",
    ("convert",): "--classes --backbone",
    ("info",): "--image-size --revision",
}


@pytest.fixture
def help_of(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERMINAL_WIDTH", "200")

    def read(*words):
        assert run([*words, "--help"]) == 0
        return re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)

    return read


def flags_in(text):
    return set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))


def test_the_commands(help_of):
    text = help_of()
    for command in SETTINGS:
        assert re.search(rf"\b{command[0]}\b", text)


@pytest.mark.parametrize("command", SETTINGS, ids=" ".join)
def test_every_setting_is_an_option_that_is_explained(help_of, command):
    text = " ".join(help_of(*command).split())
    schema = SETTINGS[command]
    hints = get_type_hints(schema, include_extras=True)
    for field in fields(schema):
        if is_dataclass(field.type):
            continue  # given in a file, or with --set
        _, explanation = get_args(hints[field.name])
        assert flag_of(field.name) in flags_in(text)
        assert explanation[:20] in text, "it may be wrapped later"
        assert explanation[0].islower() or explanation.startswith(("HEIGHTxWIDTH", "EMA "))
        assert not explanation.endswith(".")


@pytest.mark.parametrize("command", SETTINGS, ids=" ".join)
def test_every_command_has_the_options_of_all(help_of, command):
    assert set(EVERYWHERE) <= flags_in(help_of(*command))


@pytest.mark.parametrize("command", PROMISED, ids=" ".join)
def test_what_was_promised_stays(help_of, command):
    assert set(PROMISED[command].split()) <= flags_in(help_of(*command))


def test_help_does_not_wait_for_torch():
    lines = [["--help"], ["--version"], *([*command, "--help"] for command in SETTINGS)]
    code = f"""
import sys
from condetr.cli.main import run
for words in {lines!r}:
    assert run(words) == 0, words
    assert not {{'torch', 'numpy', 'PIL', 'huggingface_hub'}} & sys.modules.keys(), words
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_version(capsys):
    assert run(["--version"]) == 0
    assert re.fullmatch(r"condetr \d+\.\d+\.\d+\S*\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    "words", [["detect"], ["predict"], ["predict", "a.jpg", "--modle", "x"], ["hub", "pusch"], ["info"]]
)
def test_a_typo_is_reported_in_one_line(capsys, words):
    assert run(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("condetr: error: ")
    assert captured.err.count("\n") == 1
