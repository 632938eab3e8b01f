"""What transformers 4.34 and 5.23 and the authors' code made of the same masks, where they are right."""

import pytest
import torch
from safetensors.torch import load_file
from torch.nn.functional import interpolate

from condetr.images.masks.bands import bit_masks
from condetr.images.masks.segmenting import Thresholds, segments_of
from condetr.images.masks.semantics import semantics_of

SIZES = {"none": [(24, 32), (24, 32)], "sized": [(40, 50), (24, 32)]}
FUSED = {"inst_low": (), "pan_fuse": (1, 2)}


@pytest.fixture
def network(goldens):
    """Logits whose sigmoid is the peers' softmax, without the last class that they drop; and masks."""
    logits, masks, _ = (torch.from_numpy(values) for values in goldens.R.post_inputs())
    shares = logits.softmax(dim=-1).double()
    dropped = shares.argmax(dim=-1) == shares.shape[-1] - 1
    return shares.logit().float().masked_fill(dropped[..., None], -99.0), masks


@pytest.mark.parametrize("folder", ["hf434_post", "hf523_post_tv", "hf523_post_pil"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("case", FUSED)
def test_segments(shared, network, folder, case, size):
    """Their pixels have the same owners; what they dropped, and claimed without a mask, is another question."""
    maps = load_file(shared / "goldens" / folder / "expected.safetensors")
    # no threshold of the mask, as theirs decides about areas only
    found = segments_of(*network, SIZES[size], thresholds=Thresholds(0.5, 0.0, 0.0), fused=FUSED[case])
    for i, one in enumerate(found):
        expected = maps[f"{case}_{size}.{i}"].long()
        for number in set(expected.unique().tolist()) - {0}:
            (mine,) = one.map[expected == number].unique().tolist()
            assert one.segments[mine - 1].is_fused == (one.segments[mine - 1].label in FUSED[case])


@pytest.mark.parametrize("folder", ["hf523_post_tv", "hf523_post_pil"])
@pytest.mark.parametrize("size", SIZES)
def test_semantics(shared, goldens, folder, size):
    """Version 5 counts every class here; where softmax and sigmoid rank classes alike its maps are ours."""
    maps = load_file(shared / "goldens" / folder / "expected.safetensors")
    logits, masks, _ = (torch.from_numpy(values) for values in goldens.R.post_inputs())
    found = semantics_of(logits.softmax(-1).double().logit().float(), masks, SIZES[size])
    for i, one in enumerate(found):
        assert torch.equal(one.map, maps[f"sem_{size}.{i}"])


def test_masks_of_the_authors(shared, goldens):
    """They threshold at the size of the network's input, cut off what is padding, and enlarge the bits."""
    expected = load_file(shared / "goldens" / "orig_r50_seg" / "expected.safetensors")
    frame = goldens.inputs("orig_r50_seg")[0].shape[-2:]
    for i, fitted in enumerate(goldens.sizes("orig_r50_seg")):
        theirs = expected[f"segm_masks_{i}"].bool()
        real = (fitted[0] / frame[0], fitted[1] / frame[1])
        ours = bit_masks(expected["pred_masks"][i], tuple(fitted), real=real)
        enlarged = interpolate(ours[None].float(), size=theirs.shape[1:], mode="nearest")[0].bool()
        # they interpolate before the sigmoid, so that edges lie elsewhere; masks of random weights are all edges
        assert (enlarged == theirs).float().mean() > 0.97
