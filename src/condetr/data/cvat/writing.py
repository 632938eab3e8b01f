"""A dataset written as CVAT's XML 1.1 for images: `annotations.xml` and `images/`, and `labels.json` for a new task.

https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ describes the archive, and
https://docs.cvat.ai/docs/dataset_management/xml_format/ the file.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from condetr.data.checks.data_report import DataReport
from condetr.data.format_losses import report_crowds
from condetr.data.image_transfer import COPY, ImageTransfer
from condetr.data.object_outlines import object_outlines
from condetr.data.records import Dataset, Example, Object
from condetr.data.unique_names import names_in_folders
from condetr.data.voc.writing import voc_names, xml_text
from condetr.files.new_folder import OutputFolder


def write_cvat(
    splits: Mapping[str, Dataset], output: OutputFolder, transfer: ImageTransfer = COPY, *, source: str = "manual"
) -> DataReport:
    """Write images, boxes and outlines; the report names what was renamed or lost.

    Args:
        splits: by name, CVAT's subsets; of several, each has a folder of its images.
        output: a new folder.
        transfer: of the images.
        source: who made the labels: "manual", or "auto" for a model.

    Raises:
        StorageError: it cannot be written.
    """
    report = DataReport()
    root = Element("annotations")
    SubElement(root, "version").text = "1.1"
    names = voc_names(next(iter(splits.values())).classes)
    _add_meta(root, output.path.absolute().name, names, sum(map(len, splits.values())))
    number = 0
    for split, dataset in splits.items():
        for name, example in zip(names_in_folders(dataset, report), dataset, strict=True):
            name_in_xml = xml_text(name if len(splits) == 1 else f"{split}/{name}")
            transfer(example.image, output, f"images/{name_in_xml}")
            image = _image_of(example, number, name_in_xml, names, source)
            if split != "all":
                image.set("subset", split)
            root.append(image)
            report_crowds(example, report)
            number += 1
    indent(root)
    output.write("annotations.xml", f"<?xml version='1.0' encoding='utf-8'?>\n{tostring(root, encoding='unicode')}\n")
    output.write("labels.json", json.dumps([{"name": name, "attributes": []} for name in names], indent=2) + "\n")
    return report


def _add_meta(root: Element, task_name: str, names: Sequence[str], size: int) -> None:
    task = SubElement(SubElement(root, "meta"), "task")
    for tag, text in (("name", xml_text(task_name)), ("size", str(size)), ("mode", "annotation"), ("overlap", "0")):
        SubElement(task, tag).text = text
    labels = SubElement(task, "labels")
    for name in names:
        label = SubElement(labels, "label")
        SubElement(label, "name").text = name
        SubElement(label, "type").text = "any"
        SubElement(label, "attributes")


def _image_of(example: Example, number: int, name: str, names: Sequence[str], source: str) -> Element:
    height, width = example.size
    image = Element("image", id=str(number), name=name, width=str(width), height=str(height))
    for labeled, outline in zip(example.objects, object_outlines(example, example.objects), strict=True):
        shared = {
            "label": names[labeled.label],
            "source": source,
            "occluded": str(int("occluded" in labeled.marks)),
            "z_order": "0",
        }
        if outline is None:
            SubElement(image, "box", shared | dict(_corners_of(labeled)))
        else:
            points = zip(outline[::2], outline[1::2], strict=True)
            SubElement(image, "polygon", shared | {"points": ";".join(f"{x:.2f},{y:.2f}" for x, y in points)})
    return image


def _corners_of(labeled: Object) -> Iterator[tuple[str, str]]:
    for name, edge in zip(("xtl", "ytl", "xbr", "ybr"), labeled.box, strict=True):
        yield name, f"{edge:.2f}"
