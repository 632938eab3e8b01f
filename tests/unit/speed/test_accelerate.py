"""What is done on a device, where somebody asks for fewer bits or for torch.compile."""

import re

import pytest
import torch
from torch._dynamo.exc import BackendCompilerFailed
from torch._inductor import cpp_builder
from torch._inductor.exc import InvalidCxxCompiler

from condetr.core.errors import UsageError
from condetr.speed import compiling
from condetr.speed import compute_type as precision
from condetr.speed.accelerate import NONE, AccelerationOptions, accelerate, choose
from condetr.speed.folding import fold_norms
from condetr.speed.onednn import pack_convolutions
from tests.unit.speed.networks import detector
from tests.unit.speed.test_steps import CPU, assert_same_answers, inputs, needs_onednn

GPU = torch.device("cuda")
NO_COMPILER = "needs a C++ compiler, and there is none"


@pytest.fixture
def without_compiler(monkeypatch):
    def search(*_):
        raise InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", search)


@pytest.fixture
def with_compiler(monkeypatch):
    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", lambda: "g++")
    monkeypatch.setattr(compiling.shutil, "which", lambda _: "/usr/bin/g++")
    monkeypatch.setattr(torch.utils._triton, "has_triton", lambda: False)


def test_nobody_waits_who_did_not_ask():
    choice = choose(CPU, torch.float32)
    assert compiling.compile_frozen not in choice.steps
    assert any("torch.compile: waits" in reason for reason in choice.left_out)
    assert choice.warnings == ()
    assert AccelerationOptions("fp32", compile=False) == NONE


@pytest.mark.usefixtures("with_compiler")
def test_who_asks_gets_it_compiled():
    choice = choose(CPU, torch.float32, AccelerationOptions(compile=True))
    assert choice.steps[-1] is compiling.compile_frozen
    assert pack_convolutions not in choice.steps
    assert choose(CPU, torch.float64, AccelerationOptions(compile=True)).warnings == ()
    assert not any("torch.compile" in reason for reason in choice.left_out)
    assert "needs triton" in choose(GPU, torch.float32, AccelerationOptions(compile=True)).warnings[0]


@needs_onednn
@pytest.mark.usefixtures("with_compiler")
def test_who_asks_for_what_was_slower_is_told():
    with pytest.warns(UserWarning, match="processors are faster without it"):
        accelerate(detector(), CPU, AccelerationOptions(compile=True))


@needs_onednn
@pytest.mark.usefixtures("without_compiler")
def test_without_a_compiler_it_is_said_and_done_without():
    choice = choose(CPU, torch.float32, AccelerationOptions(compile=True))
    assert choice.steps == choose(CPU, torch.float32).steps
    assert NO_COMPILER in choice.warnings[0]
    assert NO_COMPILER in choice.left_out[-1]
    plain = detector()
    with pytest.warns(UserWarning, match=re.escape(NO_COMPILER)):
        fast = accelerate(plain, CPU, AccelerationOptions(compile=True))
    assert compiling.STEP not in fast.steps
    assert_same_answers(fast, plain, *inputs())


def test_a_compiler_that_fails_is_done_without(monkeypatch):
    tried = []

    def broken(*given, **options):
        def fail(*_):
            tried.append(options)
            raise BackendCompilerFailed(str, ValueError("no space left"), "")

        return fail

    monkeypatch.setattr(torch, "compile", broken)
    plain = detector()
    fast = compiling.compile_frozen(plain)
    with pytest.warns(UserWarning, match=r"torch.compile failed, and is done without: .*"):
        fast(*inputs())
    assert_same_answers(fast, plain, *inputs())
    assert len(tried) == 1


def test_a_step_upon_a_compiled_copy_leaves_it_compiled(monkeypatch):
    compiled = []
    monkeypatch.setattr(torch, "compile", lambda look, **_: compiled.append(look) or look)
    fast = compiling.compile_frozen(detector())
    assert compiling.compile_frozen(fast) is fast
    upon = precision.exchanged(fast, "another", {})
    assert compiled == [fast.network.trace, upon.network.trace]
    assert compiling.STEP in upon.steps


def test_fewer_bits_are_refused_where_they_lose():
    with pytest.raises(UsageError, match="fp16 does not pay on cpu"):
        accelerate(detector(), CPU, AccelerationOptions("fp16"))


def test_fewer_bits_where_they_pay(monkeypatch):
    monkeypatch.setattr(precision, "why_not", lambda *_: None)
    fast = accelerate(detector(), CPU, AccelerationOptions("bf16"))
    assert "all but the head in bf16" in fast.steps
    reason = choose(CPU, torch.float32, AccelerationOptions("bf16")).left_out[0]
    assert reason.endswith("made for float32, not for bfloat16")
    assert fold_norms in choose(GPU, torch.float32, AccelerationOptions("bf16")).steps


def test_the_cache_is_where_torch_says(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    assert compiling.cache_folder() == tmp_path
