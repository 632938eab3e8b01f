"""One graph, asked by several threads at once, as services do."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import condetr


@pytest.mark.slow
@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_threads_do_not_get_each_others_answers(request, form):
    graph = condetr.load(request.getfixturevalue(form).folder).network
    images = [torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(seed)) for seed in range(60)]
    alone = [graph(image).logits for image in images]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda item: graph(item).logits, images))
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=0)
