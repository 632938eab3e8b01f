"""A data set as Pascal VOC: `Annotations/`, `JPEGImages/`, `ImageSets/Main/`. Boxes count from zero (see `voc.py`)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from condetr.core.errors import DataError, UsageError
from condetr.data.checks.data_report import Report
from condetr.data.checks.problems import Reason
from condetr.data.classes import Classes
from condetr.data.discovery.split_names import split_named
from condetr.data.records import Dataset, Example
from condetr.data.unique_names import flat_names
from condetr.data.unwritten import tell_crowds
from condetr.files.new_folder import whole_folder

_NOT_IN_XML = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def write_voc(splits: Mapping[str, Dataset], folder: str | Path) -> Report:
    """Copy the images and write the boxes; the report says what VOC cannot hold.

    Raises:
        DataError: there is no object, and so no class.
        UsageError: the folder is not new, or reading would not know a split.
        StorageError: it cannot be written.
    """
    report, known = Report(), {name: split_named(name) for name in splits}
    others = [name for name, split in known.items() if split is None]
    if others and len(splits) > 1:
        reason = f"VOC has train, val, trainval and test; it cannot hold {', '.join(others)}"
        raise UsageError(reason, item="split", hint="write another format, or other splits")
    if not any(example.objects for dataset in splits.values() for example in dataset):
        reason = "has no object, so no class that VOC could hold: it has no list of classes"
        raise DataError(reason, source=next(iter(splits.values())).root, hint="write another format")
    every = flat_names(splits.values(), report, words=True)
    written = set[str]()
    with whole_folder(folder) as output:
        for (split, dataset), names in zip(splits.items(), every, strict=True):
            class_names = voc_names(dataset.classes)
            for name, example in zip(names, dataset, strict=True):
                _say_what_is_lost(example, report)
                if name not in written:
                    written.add(name)
                    output.copy(example.path, f"JPEGImages/{name}")
                    output.write(f"Annotations/{Path(name).with_suffix('.xml')}", _xml_of(example, name, class_names))
            output.write(f"ImageSets/Main/{split}.txt", "".join(f"{Path(name).stem}\n" for name in names))
    return report


def voc_names(classes: Classes) -> list[str]:
    """What the classes are called in XML: without what it cannot hold, or loses."""
    return [_NOT_IN_XML.sub(" ", name).strip() or "_" for name in classes.names]


def _xml_of(example: Example, name: str, class_names: Sequence[str]) -> str:
    annotation = Element("annotation")
    SubElement(annotation, "folder").text = "JPEGImages"
    SubElement(annotation, "filename").text = name
    SubElement(SubElement(annotation, "source"), "database").text = "Unknown"
    size = SubElement(annotation, "size")
    for tag, number in zip(("height", "width", "depth"), (*example.size, 3), strict=True):
        SubElement(size, tag).text = str(number)
    for one in example.objects:
        written = SubElement(annotation, "object")
        SubElement(written, "name").text = class_names[one.label]
        for mark in dict.fromkeys((*one.marks, "difficult")):
            SubElement(written, mark).text = str(int(mark in one.marks))
        bounds = SubElement(written, "bndbox")
        for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), one.box, strict=True):
            SubElement(bounds, tag).text = f"{edge:.12g}"
    indent(annotation)
    return tostring(annotation, encoding="unicode") + "\n"


def _say_what_is_lost(example: Example, report: Report) -> None:
    tell_crowds(example, report)
    for one in example.objects:
        if one.segmentation is not None or example.segments is not None:
            report.add(Reason.SEGMENTATION_LOST, "its box is written", source=example.path, item=str(one.id))
