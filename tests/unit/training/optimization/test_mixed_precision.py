import pytest
import torch

from condetr.core.errors import SettingsError
from condetr.training.optimization.mixed_precision import Precision, precision_of


def test_fp32_changes_nothing():
    precision = precision_of("fp32", torch.device("cpu"))
    with precision.autocast():
        assert torch.ones(2, 2).mm(torch.ones(2, 2)).dtype == torch.float32
    assert not precision.scaler().is_enabled()


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_the_cpu_refuses_what_is_slower_there(name):
    with pytest.raises(SettingsError, match="slower than fp32 on the CPU"):
        precision_of(name, torch.device("cpu"))


def test_only_fp16_scales_its_gradients():
    assert Precision(torch.float16, "cpu").scaler().is_enabled()
    assert not Precision(torch.bfloat16, "cpu").scaler().is_enabled()
    with Precision(torch.bfloat16, "cpu").autocast():
        assert torch.ones(2, 2).mm(torch.ones(2, 2)).dtype == torch.bfloat16
