"""A dataset written as Pascal VOC: `Annotations/`, `JPEGImages/`, `ImageSets/Main/`. Boxes count from zero."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from condetr.core.errors import DataError, UsageError
from condetr.data.checks.data_report import DataReport
from condetr.data.classes import Classes
from condetr.data.discovery.split_names import split_named
from condetr.data.format_losses import report_crowds, report_segmentation
from condetr.data.image_transfer import COPY, ImageTransfer
from condetr.data.records import Dataset, Example
from condetr.data.unique_names import flat_names
from condetr.files.new_folder import OutputFolder

_NOT_IN_XML = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def write_voc(splits: Mapping[str, Dataset], output: OutputFolder, transfer: ImageTransfer = COPY) -> DataReport:
    """Write images and boxes; the report names what VOC cannot hold.

    Raises:
        DataError: there is no object, and so no class.
        UsageError: VOC has no such split.
        StorageError: it cannot be written.
    """
    report, others = DataReport(), [name for name in splits if split_named(name) is None]
    if others and len(splits) > 1:
        reason = f"VOC has train, val, trainval and test; it cannot hold {', '.join(others)}"
        raise UsageError(reason, item="split", hint="write another format, or other splits")
    if not any(example.objects for dataset in splits.values() for example in dataset):
        reason = "has no object, so no class that VOC could hold: it has no list of classes"
        raise DataError(reason, source=next(iter(splits.values())).root, hint="write another format")
    names_of_splits = flat_names(splits.values(), report, words=True)
    written = set[str]()
    for (split, dataset), names in zip(splits.items(), names_of_splits, strict=True):
        class_names = voc_names(dataset.classes)
        for name, example in zip(names, dataset, strict=True):
            report_crowds(example, report)
            for labeled in example.objects:
                report_segmentation(labeled, example, report)
            if name not in written:
                written.add(name)
                transfer(example.image, output, f"JPEGImages/{name}")
                output.write(f"Annotations/{Path(name).with_suffix('.xml')}", _xml_of(example, name, class_names))
        output.write(f"ImageSets/Main/{split}.txt", "".join(f"{Path(name).stem}\n" for name in names))
    return report


def voc_names(classes: Classes) -> list[str]:
    """The names of classes in XML: without characters that it cannot hold, or loses."""
    return [xml_text(name).strip() or "_" for name in classes.names]


def xml_text(text: str) -> str:
    """The text with a space for every character that XML cannot hold, or loses."""
    return _NOT_IN_XML.sub(" ", text)


def _xml_of(example: Example, name: str, class_names: Sequence[str]) -> str:
    annotation = Element("annotation")
    SubElement(annotation, "folder").text = "JPEGImages"
    SubElement(annotation, "filename").text = name
    SubElement(SubElement(annotation, "source"), "database").text = "Unknown"
    size = SubElement(annotation, "size")
    for tag, number in zip(("height", "width", "depth"), (*example.size, 3), strict=True):
        SubElement(size, tag).text = str(number)
    for labeled in example.objects:
        element = SubElement(annotation, "object")
        SubElement(element, "name").text = class_names[labeled.label]
        for mark in dict.fromkeys((*labeled.marks, "difficult")):
            SubElement(element, mark).text = str(int(mark in labeled.marks))
        bounds = SubElement(element, "bndbox")
        for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), labeled.box, strict=True):
            SubElement(bounds, tag).text = f"{edge:.12g}"
    indent(annotation)
    return tostring(annotation, encoding="unicode") + "\n"
