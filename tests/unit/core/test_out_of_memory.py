import errno

import pytest
import torch

from condetr.cli.output.outcome import MODEL, exit_status_of
from condetr.core.errors import ModelError
from condetr.core.out_of_memory import is_out_of_memory, out_of_memory


def allocator_error():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60)
    return caught.value


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        allocator_error(),
        RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried to allocate"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("Failed to allocate memory for requested buffer of size 4096"),
        RuntimeError("std::bad_alloc"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ],
    ids=str,
)
def test_every_library_is_understood_and_the_command_says_it_in_one_way(error, capsys):
    assert is_out_of_memory(error)

    def fail():
        raise error

    assert exit_status_of(fail, debug=False) == MODEL
    assert capsys.readouterr().err.startswith("condetr: error: out of memory (")


@pytest.mark.parametrize(
    "error",
    [RuntimeError("shapes differ"), OSError(errno.ENOSPC, "No space left"), ValueError("out of memory.jpg")],
    ids=str,
)
def test_other_errors_are_not(error):
    assert not is_out_of_memory(error)


def test_what_has_been_explained_is_not_explained_again():
    error = out_of_memory("decoding 9x9 pixels", source="a.jpg", hint="make it smaller")
    assert isinstance(error, ModelError)
    assert str(error) == "a.jpg: out of memory decoding 9x9 pixels (make it smaller)"
    assert not is_out_of_memory(error)
