import pytest
import torch

from condetr.images.masks.in_boxes import limited_to_boxes

EVERYWHERE = torch.full((1, 8, 12), 5.0)


def covered(planes):
    return (planes > 0).nonzero().tolist()


def test_inside_its_box_a_mask_is_what_it_was_and_outside_there_is_none():
    logits = torch.randn(1, 8, 12)
    box = torch.tensor([[0.5, 0.5, 0.5, 0.5]])  # columns 3 to 8, rows 2 to 5
    found = limited_to_boxes(logits, box)
    assert torch.equal(found[:, 2:6, 3:9], logits[:, 2:6, 3:9])
    outside = torch.ones(8, 12, dtype=torch.bool)
    outside[2:6, 3:9] = False
    assert (found[0, outside] <= 0).all()
    assert (limited_to_boxes(EVERYWHERE, box)[0, outside] > -1).any(), "at the edge it falls, it does not break off"


@pytest.mark.parametrize("center", [(0.03, 0.02), (0.5, 0.5), (0.41, 0.77), (0.999, 0.999)])
def test_the_smallest_box_keeps_a_cell(center):
    assert covered(limited_to_boxes(EVERYWHERE, torch.tensor([[*center, 1e-4, 1e-4]])))


def test_boxes_are_relative_to_the_image_and_not_to_its_padding():
    box = torch.tensor([[0.5, 0.25, 0.5, 0.5]])
    whole = limited_to_boxes(EVERYWHERE[:, :4, :6], box)
    padded = limited_to_boxes(EVERYWHERE, box, (0.5, 0.5))
    torch.testing.assert_close(padded[:, :4, :6], whole)
    assert (padded[:, 4:] < 0).all()
    assert (padded[:, :, 6:] < 0).all()


def test_images_of_a_batch_are_padded_differently():
    planes, boxes = torch.randn(2, 3, 8, 12), torch.rand(2, 3, 4)
    shares = torch.tensor([[[1.0, 0.75]], [[0.5, 1.0]]])
    together = limited_to_boxes(planes, boxes, shares)
    for image, real in enumerate(((1.0, 0.75), (0.5, 1.0))):
        torch.testing.assert_close(together[image], limited_to_boxes(planes[image], boxes[image], real))


def test_no_object():
    assert limited_to_boxes(torch.zeros(0, 8, 12), torch.zeros(0, 4)).shape == (0, 8, 12)


def test_large_maps_in_half_precision():
    planes, boxes = torch.full((50, 20, 334), 5.0), torch.rand(50, 4).bfloat16()
    found = limited_to_boxes(planes.bfloat16(), boxes)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found > 0, limited_to_boxes(planes, boxes.float()) > 0)


def test_a_graph_of_it_takes_any_size():
    class Module(torch.nn.Module):
        def forward(self, planes, boxes):
            return limited_to_boxes(planes, boxes)

    free = torch.export.Dim.AUTO
    shapes = ({1: free, 2: free}, {})
    graph = torch.export.export(Module(), (torch.randn(2, 8, 12), torch.rand(2, 4)), dynamic_shapes=shapes).module()
    planes, boxes = torch.randn(2, 30, 7), torch.rand(2, 4)
    torch.testing.assert_close(graph(planes, boxes), limited_to_boxes(planes, boxes))
