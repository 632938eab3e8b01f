import pytest
import torch

from condetr.core.denormals import denormals_as_zero

needs_processor = pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor keeps denormals")


def are_zero():
    return bool(torch.tensor(1e-40) * 1 == 0)


@needs_processor
def test_only_inside():
    with denormals_as_zero():
        assert are_zero()
    assert not are_zero()


@needs_processor
def test_also_after_an_error():
    with pytest.raises(KeyError), denormals_as_zero():
        raise KeyError
    assert not are_zero()


@needs_processor
def test_the_choice_of_the_user_stays():
    torch.set_flush_denormal(True)
    try:
        with denormals_as_zero():
            assert are_zero()
        assert are_zero()
    finally:
        torch.set_flush_denormal(False)
