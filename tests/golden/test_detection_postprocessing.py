"""Scored boxes of transformers 4.34 and 5.23 on the recipe's network outputs."""

import pytest
import torch
from safetensors.torch import load_file

from condetr.images.scoring import detections_of

SIZES = [(480, 640), (100, 37)]
CASES = {
    "det_none": {},
    "det_list": {"sizes": SIZES},
    "det_tensor": {"sizes": torch.tensor(SIZES), "top_k": 7},
    "det_all": {"sizes": [(10, 20), (30, 40)], "threshold": 0.0, "top_k": 100},
}


@pytest.mark.parametrize("folder", ["hf434_post", "hf523_post_tv", "hf523_post_pil"])
@pytest.mark.parametrize("case", CASES)
def test_scored_boxes(shared, goldens, folder, case):
    if (folder, case) == ("hf434_post", "det_none"):
        pytest.skip("4.34 crashes without sizes")
    expected = load_file(shared / "goldens" / folder / "expected.safetensors")
    logits, _, boxes = (torch.from_numpy(values) for values in goldens.R.post_inputs())
    for i, found in enumerate(detections_of(logits, boxes, **CASES[case])):
        assert found.labels.tolist() == expected[f"{case}.{i}.labels"].tolist()
        torch.testing.assert_close(found.scores, expected[f"{case}.{i}.scores"], atol=1e-4, rtol=0)
        torch.testing.assert_close(found.boxes, expected[f"{case}.{i}.boxes"], atol=1e-4, rtol=1e-6)
