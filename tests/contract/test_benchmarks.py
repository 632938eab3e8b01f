"""The benchmarks that no machine here can run as a whole are known to run: tiny, and without a GPU."""

import json
from pathlib import Path

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

pytest.importorskip("transformers")

from benchmarks import __main__ as every
from benchmarks import gpu, training_gains_study

from condetr.data.demo.scene_folder import write_scenes
from condetr.speed import accelerate as choice
from condetr.speed import compute_type as precision
from condetr.training import train_state
from condetr.training.optimization import mixed_precision as training_precision
from condetr.training.optimization.mixed_precision import TYPES, Precision

ROOT = Path(__file__).parents[2]


def test_every_row_has_a_program():
    for name in (*every.ROUNDS, *every.ON_A_GPU):
        assert f"python -m benchmarks.{name}" in (ROOT / "benchmarks" / f"{name}.py").read_text()


def test_the_table_says_what_was_missed():
    row = {"case": "one", "ratio": 1.2, "low": 1.1, "high": 1.3, "ours_ms": 1.0, "theirs_ms": 1.2, "deviation": 1e-6}
    met, missed = (every.line(row | {"goal": goal}) for goal in (1.0, 1.5))
    assert met == "| one | 1.20 | 1.10 to 1.30 | 1.0 ms | 1.2 ms | 1.0e-06 | 1 | met |"
    assert missed.endswith("| 1.5 | missed by 20% |")


@pytest.mark.parametrize("words", [["--device", "cuda"], ["--device", "cpu"]])
def test_no_gpu_no_numbers(words, monkeypatch, capsys):
    monkeypatch.setattr(gpu.torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as ended:
        gpu.main(words)
    assert ended.value.code == 2
    assert "--quick" in capsys.readouterr().err


def test_what_runs_on_a_gpu_runs(monkeypatch, tmp_path, capsys):
    """In every precision; without the compiler, for the shapes of tests are checked."""
    monkeypatch.setattr(precision, "why_slower", lambda *_: None)
    for module in (train_state, training_precision):
        monkeypatch.setattr(module, "precision_of", lambda name, _: Precision(TYPES[name], "cpu"))
    gpu.main(["--device", "cpu", "--quick", "--rounds", "2", "--no-compile", "--json", str(tmp_path / "gpu.json")])
    record = json.loads((tmp_path / "gpu.json").read_text())
    cases = [row["case"] for row in record["rows"]]
    assert "condetr, bf16, batch 2" in cases
    assert "condetr, fp16, batch 1" in cases
    assert "training, bf16, batch 2" in cases
    for row in record["rows"]:
        assert row["deviation"] < (1e-4 if "condetr, fp32" in row["case"] else 0.1), row
        assert row["device"] == "no GPU: a check, not a measurement"
    assert "training, fp32" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:torch.compile. CPUs were faster:UserWarning")
def test_what_could_not_be_compiled_is_not_called_compiled(monkeypatch, tmp_path, capsys):
    def broken(look, **_):
        def fail(*_, **__):
            raise BackendCompilerFailed(str, ValueError("no space left"), "")

        return fail if "trace" in str(look) else look

    monkeypatch.setattr(torch, "compile", broken)
    monkeypatch.setattr(choice, "why_not_compiled", lambda _: None)
    gpu.main(["--device", "cpu", "--quick", "--rounds", "2", "--json", str(tmp_path / "gpu.json")])
    assert "condetr, compiled, fp32, batch 1 left out: torch.compile failed" in capsys.readouterr().out
    cases = [row["case"] for row in json.loads((tmp_path / "gpu.json").read_text())["rows"]]
    assert "transformers, compiled, fp32, batch 1" in cases
    assert not any(case.startswith("condetr, compiled") for case in cases)


@pytest.mark.slow
def test_the_gains_of_training_are_measured_as_trainings_run(tmp_path, monkeypatch, capsys):
    write_scenes(tmp_path / "scenes", train=4, val=2)
    tiny = {"d_model": 32, "encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    backbone = {"block": "basic", "depths": [1, 1], "widths": [8, 16], "stem_widths": [8]}
    settings = {"network": tiny | {"backbone": backbone}, "image_size": 64, "max_size": 64, "batch": 2}
    (tmp_path / "tiny.yaml").write_text(json.dumps(settings))
    monkeypatch.setattr(training_gains_study, "MEASURED", 1)
    words = [tmp_path / "study", "--data", tmp_path / "scenes", "--config", tmp_path / "tiny.yaml", "--seconds", "0.01"]
    training_gains_study.main([*map(str, words), "--seeds", "0", "--rows", "base", "one-to-many"])
    assert capsys.readouterr().out.count("| scenes | ") == 2
