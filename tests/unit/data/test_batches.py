import torch
from torchvision.tv_tensors import BoundingBoxes, Image, Mask

from condetr.core.records import Target
from condetr.data.batches import collate
from condetr.data.samples import read_sample, target_of
from condetr.images.decoding.decode import decode
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges
from tests.unit.training.scenes import write_scenes


def image(height, width, count=1):
    target = Target(
        torch.zeros(count, dtype=torch.int64), torch.rand(count, 4), torch.ones(count, height, width).bool()
    )
    return torch.randint(256, (3, height, width), dtype=torch.uint8), target


def test_a_batch_has_the_pixels_that_prediction_would_see(tmp_path):
    (example,) = write_scenes(tmp_path, 1)
    preprocessing = Preprocessing(size=Edges(64, 64))
    planes, target = target_of(read_sample(example))
    batch = collate([(planes, target)], ["000.png"], preprocessing)
    assert torch.equal(batch.pixels, preprocessing.prepare([decode(example.path)]).pixels)
    assert (batch.mask, batch.names, batch.is_filler) == (None, ("000.png",), False)
    x1, y1, x2, y2 = example.objects[0].box
    expected = torch.tensor([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]) / 64
    torch.testing.assert_close(batch.targets[0].boxes[0], expected)
    assert batch.targets[0].labels.tolist() == [labeled.label for labeled in example.objects]


def test_unequal_images_are_padded_and_masked_with_their_masks():
    batch = collate([image(20, 30), image(25, 16, count=2)], ["a", "b"], Preprocessing(do_resize=True))
    assert batch.pixels.shape == (2, 3, 25, 30)
    assert [int(mask.sum()) for mask in batch.mask] == [20 * 30, 25 * 16]
    assert not batch.pixels[1, :, :, 16:].any()
    assert [tuple(target.masks.shape) for target in batch.targets] == [(1, 25, 30), (2, 25, 30)]
    assert [int(target.masks[0].sum()) for target in batch.targets] == [20 * 30, 25 * 16]


def test_a_batch_without_images_is_a_filler_that_names_what_is_missing():
    batch = collate([], [], Preprocessing(), unreadable=["c.jpg: gone"])
    assert batch.is_filler
    assert len(batch.targets[0]) == 0
    assert batch.unreadable == ("c.jpg: gone",)


def test_a_target_is_relative_to_the_image_as_it_is_now():
    sample = {
        "image": Image(torch.zeros(3, 50, 200, dtype=torch.uint8)),
        "boxes": BoundingBoxes([[20.0, 10.0, 60.0, 40.0]], format="XYXY", canvas_size=(50, 200)),
        "labels": torch.tensor([3]),
        "masks": Mask(torch.zeros(1, 50, 200).bool()),
    }
    planes, target = target_of(sample)
    torch.testing.assert_close(target.boxes, torch.tensor([[0.2, 0.5, 0.2, 0.6]]))
    assert {type(tensor) for tensor in (planes, target.boxes, target.labels, target.masks)} == {torch.Tensor}
