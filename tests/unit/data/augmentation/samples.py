"""Images whose objects can be found again by their gray."""

import torch
from torchvision.tv_tensors import BoundingBoxes, Image, Mask


def sample(height=96, width=128, boxes=((10, 20, 50, 60), (90, 40, 120, 90)), masks=True):
    """Each object is a rectangle of its own gray, on black, with its mask."""
    image = torch.zeros(3, height, width, dtype=torch.uint8)
    outlines = torch.zeros(len(boxes), height, width, dtype=torch.bool)
    for number, (x1, y1, x2, y2) in enumerate(boxes):
        image[:, y1:y2, x1:x2] = gray_of(number)
        outlines[number, y1:y2, x1:x2] = True
    corners = torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4)
    made = {
        "image": Image(image),
        "boxes": BoundingBoxes(corners, format="XYXY", canvas_size=(height, width)),
        "labels": torch.arange(len(boxes)),
    }
    return made | {"masks": Mask(outlines)} if masks else made


def gray_of(label):
    return 100 + 50 * label


def drawn_boxes(varied):
    """Where each object of a sample is drawn: the box around the pixels of its gray."""
    plane, found = varied["image"][0].as_subclass(torch.Tensor), []
    for label in varied["labels"].tolist():
        rows, columns = (plane == gray_of(label)).nonzero().unbind(1)
        found.append([int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1])
    return found
