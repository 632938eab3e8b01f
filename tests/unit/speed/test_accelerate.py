"""The optimizations of a device, also with lower precision and torch.compile."""

import re

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed

from condetr.core.errors import UsageError
from condetr.speed import compiling
from condetr.speed import compute_type as precision
from condetr.speed.accelerate import NONE, AccelerationOptions, accelerate, plan_acceleration
from condetr.speed.folding import fold_norms
from condetr.speed.onednn import pack_convolutions
from tests.unit.speed.networks import detector
from tests.unit.speed.test_steps import CPU, assert_same_answers, inputs, needs_onednn

GPU = torch.device("cuda")
NO_COMPILER = "needs a C++ compiler, and there is no g++"


@pytest.fixture
def without_compiler(monkeypatch):
    monkeypatch.setenv("CXX", "g++")
    monkeypatch.setattr(compiling.shutil, "which", lambda _: None)


@pytest.fixture
def with_compiler(monkeypatch):
    monkeypatch.setattr(compiling.shutil, "which", lambda _: "/usr/bin/g++")
    monkeypatch.setattr(torch.utils._triton, "has_triton", lambda: False)


def test_nothing_is_compiled_by_default():
    plan = plan_acceleration(CPU, torch.float32)
    assert compiling.compile_frozen not in plan.steps
    assert any("torch.compile: off by default" in reason for reason in plan.left_out)
    assert plan.warnings == ()
    assert AccelerationOptions("fp32", compile=False) == NONE


@pytest.mark.usefixtures("with_compiler")
def test_compiling_on_request():
    plan = plan_acceleration(CPU, torch.float32, AccelerationOptions(compile=True))
    assert plan.steps[-1] is compiling.compile_frozen
    assert pack_convolutions not in plan.steps
    assert plan_acceleration(CPU, torch.float64, AccelerationOptions(compile=True)).warnings == ()
    assert not any("torch.compile" in reason for reason in plan.left_out)
    assert "needs triton" in plan_acceleration(GPU, torch.float32, AccelerationOptions(compile=True)).warnings[0]


@needs_onednn
@pytest.mark.usefixtures("with_compiler")
def test_an_option_that_is_slower_gives_a_warning():
    with pytest.warns(UserWarning, match="CPUs were faster without it"):
        accelerate(detector(), CPU, AccelerationOptions(compile=True))


@needs_onednn
@pytest.mark.usefixtures("without_compiler")
def test_without_a_compiler_there_is_a_warning_and_no_compiling():
    plan = plan_acceleration(CPU, torch.float32, AccelerationOptions(compile=True))
    assert plan.steps == plan_acceleration(CPU, torch.float32).steps
    assert NO_COMPILER in plan.warnings[0]
    assert NO_COMPILER in plan.left_out[-1]
    plain = detector()
    with pytest.warns(UserWarning, match=re.escape(NO_COMPILER)):
        fast = accelerate(plain, CPU, AccelerationOptions(compile=True))
    assert compiling.STEP not in fast.steps
    assert_same_answers(fast, plain, *inputs())


def test_a_compiler_that_fails_gives_a_warning_and_the_plain_network_runs(monkeypatch):
    tried = []

    def broken(*args, **options):
        def fail(*_):
            tried.append(options)
            raise BackendCompilerFailed(str, ValueError("no space left"), "")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    plain = detector()
    fast = compiling.compile_frozen(plain)
    with pytest.warns(UserWarning, match=r"torch.compile failed; continuing without it: .*"):
        fast(*inputs())
    assert_same_answers(fast, plain, *inputs())
    assert len(tried) == 1


def test_a_step_on_a_compiled_copy_leaves_it_compiled(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda look, **_: compiled.append(look) or look)
    fast = compiling.compile_frozen(detector())
    assert compiling.compile_frozen(fast) is fast
    upon = precision.replace_modules(fast, "another", {})
    assert compiled == [fast.network.trace, upon.network.trace]
    assert compiling.STEP in upon.steps


def test_lower_precision_is_refused_where_it_is_slower():
    with pytest.raises(UsageError, match="fp16 is slower on cpu"):
        accelerate(detector(), CPU, AccelerationOptions("fp16"))


def test_lower_precision_where_it_is_faster(monkeypatch):
    monkeypatch.setattr(precision, "why_slower", lambda *_: None)
    fast = accelerate(detector(), CPU, AccelerationOptions("bf16"))
    assert "all but the head in bf16" in fast.steps
    reason = plan_acceleration(CPU, torch.float32, AccelerationOptions("bf16")).left_out[0]
    assert reason.endswith("for float32 only, not for bfloat16")
    assert fold_norms in plan_acceleration(GPU, torch.float32, AccelerationOptions("bf16")).steps


def test_the_cache_folder_is_torchs(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    assert compiling.cache_folder() == tmp_path
