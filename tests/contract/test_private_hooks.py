"""Every private or undocumented name of torch, Pillow, gradio, uvicorn, typer and Ray that the source uses, by file.

A library may rename these without notice. So each is listed here, and works without: by a plain path with the same
answer, or, where a security limit depends on it, by an error that names the version.
"""

import ast
import copy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from condetr.core.errors import UsageError
from condetr.speed import compiling
from condetr.speed.accelerate import accelerate
from condetr.speed.compute_type import why_slower
from condetr.speed.onednn import is_available
from condetr.speed.training.scaled_convolution import ScaledConvolution
from condetr.speed.weights_version import weights_version
from condetr.training.optimization.ema import WeightAverage
from tests.scramble import scramble
from tests.unit.speed.networks import detector
from tests.unit.speed.test_steps import CPU, assert_same_answers, inputs

SOURCE = Path(__file__).parents[2] / "src" / "condetr"
LIBRARIES = {"torch", "torchvision", "PIL", "gradio", "uvicorn", "h11", "starlette", "typer", "rich"}
MODULE_STATE = {"_modules", "_parameters", "_buffers", "_version", "_forward_hooks", "_forward_pre_hooks", "_call_impl"}

HOOKS = {
    "cli/output/outcome.py": {"typer.BadParameter.__mro__"},
    "data/hub_datasets.py": {"getattr _fingerprint"},
    "export/tracing.py": {"torch.ops.aten"},
    "hf/models/outputs.py": {"torch.utils._pytree"},
    "images/containers/tiff.py": {"getattr _tile_size"},
    "images/resize.py": {"torch.ops.aten", "string _upsample_bilinear2d_aa", "string _upsample_bicubic2d_aa"},
    "model/activation_checkpointing.py": {"vars()['forward']"},
    "ray/cluster.py": {"import ray._private.worker"},
    "serving/page/no_downloads.py": {"setattr gradio.processing_utils"},
    "serving/process/uvicorn_server.py": {"class of uvicorn.Server"},
    "serving/protocol/connection.py": {"class of uvicorn.protocols.http.h11_impl.H11Protocol"},
    "speed/compiling.py": {
        "torch._dynamo.exc.TorchDynamoException",
        "torch._inductor.runtime.cache_dir_utils.cache_dir",
        "torch.utils._triton.has_triton",
    },
    "speed/compute_type.py": {"getattr _is_amx_tile_supported"},
    "speed/onednn.py": {
        "torch.ops.mkldnn",
        "torch.ops.mkldnn._convolution_pointwise",
        "torch.ops.mkldnn._convolution_pointwise_",
        "torch.ops.mkldnn._reorder_convolution_weight",
        "string _convolution_pointwise",
        "string _convolution_pointwise_",
        "string _linear_pointwise",
        "string _nbytes",
        "string _packed",  # its own
        "string _reorder_convolution_weight",
        "string _reorder_linear_weight",
    },
    "speed/packed_linear.py": {
        "torch.ops.mkldnn",
        "torch.ops.mkldnn._linear_pointwise",
        "torch.ops.mkldnn._reorder_linear_weight",
    },
    "speed/training/lean_backbone.py": {"vars()['forward']"},
    "speed/training/convolution_gradients.py": {"torch.ops.aten"},
    "speed/weights_version.py": {"getattr _version"},
    "training/optimization/ema.py": {"torch._foreach_lerp_", "getattr _foreach_lerp_"},
}


def is_private(name):
    return name.startswith("_") and not name.endswith("__")


def dotted(node, imports):
    """The full name of ``a.b.c`` where ``a`` was imported from one of the libraries."""
    match node:
        case ast.Name() if node.id in imports:
            return imports[node.id]
        case ast.Attribute():
            start = dotted(node.value, imports)
            return None if start is None else f"{start}.{node.attr}"
    return None


def imported(tree):
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {(each.asname or each.name.split(".")[0]): each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names |= {(each.asname or each.name): f"{node.module}.{each.name}" for each in node.names}
    return {name: full for name, full in names.items() if full.split(".")[0] in LIBRARIES}


def private_modules(tree):
    """Those that are imported by a string."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name("import_module"), args=[ast.Constant(str(name)), *_]):
                if any(map(is_private, name.split("."))):
                    yield f"import {name}"


def hooks_in(tree):
    imports = imported(tree)
    yield from private_modules(tree)
    yield from (full for full in imports.values() if any(map(is_private, full.split("."))))
    names = {full for node in ast.walk(tree) if (full := dotted(node, imports))}
    yield from (full for full in names if is_private(full.split(".")[-1]) or full.endswith("__mro__"))
    yield from (name for full in names if (name := ".".join(full.split(".")[:3])).startswith("torch.ops."))
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name) if name in MODULE_STATE:
                yield f"attribute {name}"
            case ast.Call(func=ast.Name("getattr" | "hasattr"), args=[_, ast.Constant(str(name)), *_]):
                if is_private(name):
                    yield f"getattr {name}"
            case ast.Call(func=ast.Name("setattr"), args=[target, *_]) if full := dotted(target, imports):
                yield f"setattr {full}"
            case ast.Assign(targets=[ast.Attribute(value=target)]) if full := dotted(target, imports):
                if not full.startswith("PIL."):  # its public switches
                    yield f"setattr {full}"
            case ast.Subscript(value=ast.Call(func=ast.Name("vars")), slice=ast.Constant("forward")):
                yield "vars()['forward']"
            case ast.ClassDef(bases=bases):
                names_of_bases = [dotted(base, imports) or "" for base in bases]
                yield from (f"class of {name}" for name in names_of_bases if name.split(".")[0] in ("uvicorn", "h11"))
            case ast.Constant(str(text)) if is_private(text) and text.isidentifier():
                if any(name.startswith("torch.ops.") for name in names):
                    yield f"string {text}"


def test_every_private_name_is_listed():
    hooks = {str(path.relative_to(SOURCE)): set(hooks_in(ast.parse(path.read_text()))) for path in SOURCE.rglob("*.py")}
    assert {name: names for name, names in hooks.items() if names} == HOOKS


def test_a_new_one_is_found():
    code = """
from torch import nn
import torch, uvicorn
torch._C._log_api_usage_once("x")
nn.Module()._modules
uvicorn.Server.run = None
class Mine(uvicorn.Config): ...
import_module("ray._private.worker")
"""
    assert set(hooks_in(ast.parse(code))) == {
        "torch._C",
        "torch._C._log_api_usage_once",
        "attribute _modules",
        "setattr uvicorn.Server",
        "class of uvicorn.Config",
        "import ray._private.worker",
    }


def test_a_detector_without_the_operations_of_onednn(monkeypatch):
    plain = detector()
    monkeypatch.setattr(torch.ops, "mkldnn", SimpleNamespace())
    assert not is_available()
    assert_same_answers(accelerate(plain, CPU), plain, *inputs())


def test_gradients_without_convolution_backward(monkeypatch):
    from condetr.model.frozen_norm import ConvNorm

    unit, x = scramble(ConvNorm(3, 5, 3, stride=2)).double(), torch.randn(2, 3, 9, 7).double()
    scaled, results = ScaledConvolution(unit.conv, unit.norm), []
    for backward in (torch.ops.aten, SimpleNamespace()):
        monkeypatch.setattr(torch.ops, "aten", backward)
        leaf = x.clone().requires_grad_()
        unit.zero_grad()
        scaled(leaf).square().sum().backward()
        results.append((leaf.grad, unit.conv.weight.grad))
    torch.testing.assert_close(results[1], results[0])


def test_the_average_of_weights_without_foreach_lerp(monkeypatch):
    network, averages = torch.nn.Linear(3, 2), []
    for _ in range(2):
        average = WeightAverage(copy.deepcopy(network), 0.9)
        with torch.random.fork_rng():
            average.update(scramble(copy.deepcopy(network)))
        averages.append(average.state_dict())
        monkeypatch.delattr(torch, "_foreach_lerp_", raising=False)
    torch.testing.assert_close(averages[1], averages[0], rtol=0, atol=0)


def test_precision_without_the_question_for_amx(monkeypatch):
    monkeypatch.delattr(torch.cpu, "_is_amx_tile_supported")
    assert "no matrix units" in why_slower("bf16", CPU)


def test_the_version_of_weights_without_counters(monkeypatch):
    class Uncounted(torch.nn.Parameter):
        @property
        def _version(self):
            raise AttributeError

    model = torch.nn.Linear(3, 2)
    model.weight = Uncounted(model.weight.detach())
    before = weights_version(model)
    assert weights_version(model) == before
    with torch.no_grad():
        model.weight[0, 0] += 1
    assert weights_version(model) != before


def test_compiling_without_dynamos_errors(monkeypatch):
    def fail(*_):
        raise RuntimeError("no compiler")

    monkeypatch.setitem(sys.modules, "torch._dynamo", None)
    monkeypatch.setitem(sys.modules, "torch._dynamo.exc", None)
    monkeypatch.setattr(torch, "compile", lambda *_, **__: fail)
    plain = detector()
    fast = compiling.compile_frozen(plain)
    with pytest.warns(UserWarning, match="torch.compile failed; continuing without it: no compiler"):
        fast(*inputs())
    assert_same_answers(fast, plain, *inputs())


def test_the_cache_folder_without_inductor(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "torch._inductor", None)
    monkeypatch.setitem(sys.modules, "torch._inductor.runtime.cache_dir_utils", None)
    assert compiling.cache_folder().name.startswith("torchinductor_")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    assert compiling.cache_folder() == tmp_path


def test_triton_without_torchs_question(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils._triton", None)
    monkeypatch.setattr(compiling.shutil, "which", lambda _: "g++")
    for spec, reason in ((None, "needs triton on a GPU, and it is not installed"), (object(), None)):
        monkeypatch.setattr(compiling, "find_spec", lambda _, spec=spec: spec)
        assert compiling.why_not_compiled(torch.device("cuda")) == reason


def test_outputs_without_pytrees():
    code = (
        "import sys, torch.utils._pytree; del torch.utils._pytree; sys.modules['torch.utils._pytree'] = None\n"
        "from condetr.hf.models.outputs import ConditionalDetrModelOutput\n"
        "assert ConditionalDetrModelOutput(last_hidden_state=1)[0] == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_command_line_without_typers_base_class():
    code = (
        "import typer\n"
        "class BadParameter(Exception): ...\n"
        "typer.BadParameter = BadParameter\n"
        "from condetr.cli.output import outcome\n"
        "assert outcome._PARSER_ERROR is BadParameter"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_uvicorn_with_other_methods_is_refused(monkeypatch):
    uvicorn = pytest.importorskip("uvicorn")
    from condetr.serving.process.uvicorn_server import check_uvicorn

    check_uvicorn()
    monkeypatch.delattr(uvicorn.Server, "capture_signals")
    with pytest.raises(UsageError, match=rf"uvicorn: is {uvicorn.__version__}, which lacks Server.capture_signals"):
        check_uvicorn()


def test_a_gradio_with_other_downloads_is_refused(monkeypatch):
    gradio = pytest.importorskip("gradio")
    from condetr.serving.page.no_downloads import no_downloads

    monkeypatch.delattr("gradio.processing_utils.save_url_to_cache")
    with pytest.raises(UsageError, match=rf"gradio: is {gradio.__version__}.*save_url_to_cache"), no_downloads():
        pass
