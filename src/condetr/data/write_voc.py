"""A data set as Pascal VOC: `Annotations/`, `JPEGImages/`, `ImageSets/Main/`. Boxes count from zero (see `voc.py`)."""

from collections.abc import Mapping
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from condetr.data.classes import Classes
from condetr.data.output_folder import OutputFolder
from condetr.data.output_names import OutputNames
from condetr.data.reasons import Reason
from condetr.data.records import Dataset, Example
from condetr.data.report import Report


def write_voc(splits: Mapping[str, Dataset], folder: str | Path) -> Report:
    """Copy the pictures and write the boxes; the report says what VOC cannot hold.

    Raises:
        UsageError: the folder is not new.
        StorageError: it cannot be written.
    """
    output, report = OutputFolder(folder), Report()
    names = OutputNames(report)
    for split, dataset in splits.items():
        listed = []
        for example in dataset:
            name = names.name_of(dataset, example)
            listed.append(Path(name).stem)
            output.copy(example.path, f"JPEGImages/{name}")
            output.write(f"Annotations/{Path(name).with_suffix('.xml')}", _xml_of(example, name, dataset.classes))
            _say_what_is_lost(example, report)
        output.write(f"ImageSets/Main/{split}.txt", "".join(f"{stem}\n" for stem in listed))
    return report


def _xml_of(example: Example, name: str, classes: Classes) -> str:
    annotation = Element("annotation")
    SubElement(annotation, "folder").text = "JPEGImages"
    SubElement(annotation, "filename").text = name
    SubElement(SubElement(annotation, "source"), "database").text = "Unknown"
    size = SubElement(annotation, "size")
    for tag, number in zip(("height", "width", "depth"), (*example.size, 3), strict=True):
        SubElement(size, tag).text = str(number)
    for one in example.objects:
        written = SubElement(annotation, "object")
        SubElement(written, "name").text = classes.names[one.label]
        SubElement(written, "difficult").text = "0"
        bounds = SubElement(written, "bndbox")
        for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), one.box, strict=True):
            SubElement(bounds, tag).text = f"{edge:.12g}"
    indent(annotation)
    return tostring(annotation, encoding="unicode") + "\n"


def _say_what_is_lost(example: Example, report: Report) -> None:
    for _ in example.crowds:
        report.add(Reason.CROWD_LOST, "is left out", source=example.path)
    for one in example.objects:
        if one.segmentation is not None or example.segments is not None:
            report.add(Reason.SEGMENTATION_LOST, "its box is written", source=example.path, item=str(one.id))
