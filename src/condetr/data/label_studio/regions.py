"""Regions of Label Studio: boxes and polygons in percent of the image, as its JSON format and ML backends have them.

https://labelstud.io/guide/predictions and https://labelstud.io/guide/task_format describe them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from condetr.data.voc.writing import xml_text
from condetr.images.sizes import HeightWidth


class Controls(NamedTuple):
    """Names of tags in the labeling configuration of a project; ``value`` is the key of a task's image.

    Attributes:
        boxes: of RectangleLabels, if there are any.
        polygons: of PolygonLabels, if there are any.
        image: of the Image that both label.
        value: the key of its address in the data of a task.
    """

    boxes: str | None
    polygons: str | None
    image: str
    value: str = "image"


DEFAULT = Controls(boxes="box", polygons="polygon", image="image")


def region_of(
    name: str,
    box: Sequence[float | int],
    outline: Sequence[float | int] | None,
    size: HeightWidth,
    number: int,
    controls: Controls = DEFAULT,
) -> dict[str, Any]:
    """One object: a polygon if it has an outline and the project has polygons, else a box.

    Args:
        name: of the class.
        box: (x1, y1, x2, y2) in pixels.
        outline: x1, y1, x2, y2, ... in pixels.
        size: (height, width) of the image.
        number: its position among the regions of the image.
        controls: tags of the project; at least one of boxes and polygons.
    """
    height, width = size
    x1, y1, x2, y2 = box
    if controls.polygons is not None and (outline is not None or controls.boxes is None):
        points = outline if outline is not None else (x1, y1, x2, y1, x2, y2, x1, y2)
        percent = [[100 * x / width, 100 * y / height] for x, y in zip(points[::2], points[1::2], strict=True)]
        kind, control = "polygonlabels", controls.polygons
        value: dict[str, Any] = {"points": percent, "closed": True}
    else:
        kind, control = "rectanglelabels", str(controls.boxes)
        left, top = 100 * x1 / width, 100 * y1 / height
        value = {"x": left, "y": top, "width": 100 * (x2 - x1) / width, "height": 100 * (y2 - y1) / height}
        value["rotation"] = 0
    return {
        "id": f"{kind}-{number}",
        "type": kind,
        "from_name": control,
        "to_name": controls.image,
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "value": value | {kind: [name]},
    }


def prediction_of(regions: Sequence[dict[str, Any]], scores: Sequence[float], model: str) -> dict[str, Any]:
    """A prediction for one image; its score, by which tasks can be sorted, is the mean of its regions' scores."""
    scored = [region | {"score": score} for region, score in zip(regions, scores, strict=True)]
    prediction: dict[str, Any] = {"model_version": model, "result": scored}
    return prediction | ({"score": sum(scores) / len(scores)} if scores else {})


def labeling_configuration(names: Sequence[str], *, polygons: bool, controls: Controls = DEFAULT) -> str:
    """The XML of a project in which these classes are drawn as boxes, or also as polygons."""
    view = Element("View")
    SubElement(view, "Image", name=controls.image, value=f"${controls.value}", zoom="true")
    kinds = [("RectangleLabels", controls.boxes)] + ([("PolygonLabels", controls.polygons)] if polygons else [])
    for tag, control in kinds:
        labels = SubElement(view, tag, name=str(control), toName=controls.image)
        for name in names:
            SubElement(labels, "Label", value=xml_text(name))
    indent(view)
    return tostring(view, encoding="unicode") + "\n"
