"""Label Studio's JSON and JSON-MIN exports (https://labelstud.io/guide/export): a list of tasks.

Coordinates are percent of the image. The image is a URL of the server, of a local file (`/data/local-files/?d=...`) or
of an upload, whose name has a prefix of eight digits.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from condetr.core.short_repr import short_repr
from condetr.data.checks.data_report import DataProblem, Location
from condetr.data.checks.problems import ProblemKind
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.label_studio.brush import pixels_of_brush
from condetr.data.tools.image_search import local_name
from condetr.data.tools.label_files import ToolFiles, head_of
from condetr.data.tools.labels import LabeledImage, SplitLabels, ToolLabels, classes_of, tool_layout
from condetr.data.tools.shapes import (
    Shape,
    bytes_of_base64,
    ellipse,
    oriented,
    outlined,
    painted,
    patch_of_png,
    turned_rectangle,
)
from condetr.files.json_reading import read_json
from condetr.images.coco_labels.fields import FieldError, SegmentationError, mapping_of, number_of
from condetr.images.file_endings import has_image_ending
from condetr.images.sizes import HeightWidth

NAME = "label-studio"
_KEYS = re.compile(
    rb'"(completions|annotation_id|annotator|lead_time|file_upload|result|(rectangle|polygon|brush|ellipse)labels)"'
)
_IMAGE_KEYS = ("image", "images", "img", "url", "photo", "captioning", "ocr")
_GEOMETRY = ("x", "points", "rle", "imageDataURL", "vertices")
_TURNED = "was drawn on an image that Label Studio turned by {} degrees, which is not read"


def is_label_studio_file(path: Path) -> bool:
    head = head_of(path)
    is_task = b'"annotations"' in head and b'"data"' in head
    return re.match(rb"\[\s*\{", head) is not None and (is_task or _KEYS.search(head) is not None)


def label_studio_files(folder: Path, files: dict[str, list[Path]]) -> Layout:
    """How to read JSON files, by split."""
    return tool_layout(NAME, folder, list(files), lambda: _labels_of(files), _shape_of)


def _labels_of(files: dict[str, list[Path]]) -> ToolLabels:
    splits = {split: SplitLabels() for split in files}
    for split, paths in files.items():
        part = splits[split]
        for path in paths:
            tasks = read_json(path)
            for position, task in enumerate(tasks if isinstance(tasks, list) else [tasks]):
                with part.report.at(path, f"task {position + 1}") as location:
                    part.images.extend(_images_of(mapping_of(task), path, location))
    regions = (record for part in splits.values() for image in part.images for record in image.records)
    names = {name for region in regions for name in _names_of(region)[:1]}
    return ToolLabels(classes_of(sorted(names)), splits)


def _images_of(task: Mapping[str, Any], path: Path, location: Location) -> Iterator[LabeledImage]:
    if "id" in task:
        location.item = f"task {short_repr(task['id'])}"
    annotations = task.get("annotations", task.get("completions"))
    inner = task.get("data")
    data = inner if isinstance(inner, Mapping) else task
    if not isinstance(annotations, list) and _list_of(task.get("predictions")):
        results = _predicted(task["predictions"], location)
    elif not isinstance(annotations, list):
        results = [region for key in task for region in _list_of(task[key]) if isinstance(region, Mapping)]
    else:
        if task.get("predictions"):
            message = f"has {len(_list_of(task['predictions']))} predictions, which are no labels"
            location.add(ProblemKind.OTHER_ANNOTATIONS, message)
        results = _list_of(_chosen(annotations, location).get("result"))
    names = _image_names(data, task)
    by_image: dict[int, list[Mapping[str, Any]]] = {}
    for region in _regions(results):
        number = region.get("item_index", 0)
        by_image.setdefault(number if type(number) is int else 0, []).append(region)
    if not names or max(by_image, default=0) >= len(names):
        raise DataProblem(ProblemKind.BAD_FIELD, f"names {len(names)} images in data {short_repr(dict(data))}")
    for number, name in enumerate(names):
        records = by_image.get(number, [])
        sizes = [
            (region["original_width"], region.get("original_height"))
            for region in records
            if "original_width" in region
        ]
        yield LabeledImage(name, path, location.item, records, next(iter(sizes), None))


def _chosen(annotations: Sequence[Any], location: Location) -> Mapping[str, Any]:
    """The ground truth, or else the annotation that was changed last; the others are reported."""
    usable = [mapping_of(annotation) for annotation in annotations]
    usable = [annotation for annotation in usable if not annotation.get("was_cancelled")]
    if not usable:
        why = "was skipped" if annotations else "has no annotation"
        raise DataProblem(ProblemKind.NOT_LABELED, why)
    order = [(bool(each.get("ground_truth")), str(each.get("updated_at") or each.get("created_at"))) for each in usable]
    chosen = max(range(len(usable)), key=lambda position: (order[position], -position))
    for position, other in enumerate(usable):
        if position != chosen:
            message = f"annotation {other.get('id')} is not used: {usable[chosen].get('id')} is the truth or newer"
            location.add(ProblemKind.OTHER_ANNOTATIONS, message)
    return usable[chosen]


def _predicted(predictions: Sequence[Any], location: Location) -> list[Any]:
    """The newest prediction for a task that was never annotated, as ``condetr label`` writes it."""
    results = _list_of(mapping_of(predictions[-1]).get("result"))
    for _ in results:
        location.add(ProblemKind.SCORE, "is of a prediction; the score is ignored")
    return results


def _image_names(data: Mapping[str, Any], task: Mapping[str, Any]) -> list[str]:
    """Names of the images of a task, usually one."""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    lists = {key: [name for name in _list_of(value) if isinstance(name, str)] for key, value in data.items()}
    found = [key for key, value in texts.items() if has_image_ending(local_name(value))]
    found = sorted(found, key=lambda key: key not in _IMAGE_KEYS) or [key for key in _IMAGE_KEYS if key in texts]
    if found:
        return [texts[found[0]]]
    several = [names for names in lists.values() if any(has_image_ending(local_name(name)) for name in names)]
    uploaded = task.get("file_upload")
    return several[0] if several else [uploaded] if isinstance(uploaded, str) else []


def _regions(results: Sequence[Any]) -> list[dict[str, Any]]:
    """Results that share an id, as a rectangle and its label do, in one; each is the value beside its frame."""
    unnamed = count()
    regions: dict[object, dict[str, Any]] = {}
    for result in results:
        record = mapping_of(result)
        value = record.get("value") if isinstance(record.get("value"), Mapping) else record
        frame = {key: record[key] for key in record if key not in ("value", "id", "meta")}
        own = {**frame, **mapping_of(value)}
        key = record["id"] if isinstance(record.get("id"), str) else next(unnamed)
        known = regions.setdefault(key, {})
        if known and "type" in known:
            own["attributes"] = True
        regions[key] = {**own, **known} if any(part in known for part in _GEOMETRY) else {**known, **own}
    return list(regions.values())


def _names_of(region: Mapping[str, Any]) -> list[str]:
    """Names of its classes."""
    for key, value in region.items():
        if key.endswith("labels") and isinstance(value, list):
            return [name.strip() for name in value if isinstance(name, str) and name.strip()]
    return []


def _shape_of(region: Mapping[str, Any], size: HeightWidth, location: Location) -> Shape | None:
    if not any(key in region for key in _GEOMETRY):
        what = region.get("type") or "result"
        raise DataProblem(ProblemKind.NO_OBJECT, f"is a {what}, of the whole image")
    names = _names_of(region)
    kind = str(region.get("type") or next((key for key in region if key.endswith("labels")), ""))
    if kind.startswith(("keypoint", "vector")) or ("width" in region and "height" not in region):
        raise DataProblem(ProblemKind.NO_OBJECT, f"is a {kind or 'point'} ({short_repr(names)})")
    if not names:
        raise DataProblem(ProblemKind.NO_CLASS, f"is a {kind or 'region'} without a label")
    if len(names) > 1:
        location.add(ProblemKind.SEVERAL_CLASSES, f"is labeled {short_repr(names)}")
    turned = region.get("image_rotation") or 0
    if turned:
        raise DataProblem(ProblemKind.BAD_SEGMENTATION, _TURNED.format(short_repr(turned)))
    return _drawn(region, names[0], size, location)


def _drawn(region: Mapping[str, Any], name: str, size: HeightWidth, location: Location) -> Shape:
    height, width = size
    if "rle" in region:
        stated = region.get("original_height"), region.get("original_width")
        if stated != size:
            raise SegmentationError(f"is a mask of {short_repr(stated)} (height, width), expected the image's {size}")
        return painted(name, pixels_of_brush(region["rle"], size), 0, 0, size)
    if "imageDataURL" in region:
        patch = patch_of_png(bytes_of_base64(region["imageDataURL"], "imageDataURL"), "imageDataURL")
        if patch.shape != size:
            raise SegmentationError(f"is a mask of {patch.shape} (height, width), expected the image's {size}")
        return painted(name, patch, 0, 0, size)
    if "points" in region:
        points = region["points"]
        if not isinstance(points, list) or not all(isinstance(point, list) and len(point) == 2 for point in points):
            raise FieldError(f"has points {short_repr(points)}, expected pairs of numbers")
        pixels = [(number_of(x, "points") * width / 100, number_of(y, "points") * height / 100) for x, y in points]
        return outlined(name, pixels, location)
    keys = ("x", "y", "radiusX", "radiusY") if "radiusX" in region else ("x", "y", "width", "height")
    sides = width, height, width, height
    x, y, across, down = (number_of(region.get(key), key) * side / 100 for key, side in zip(keys, sides, strict=True))
    degrees = number_of(region.get("rotation") or 0, "rotation")
    if "radiusX" in region:
        return ellipse(name, (x, y), (across, down), degrees, location)
    if degrees:
        return oriented(name, turned_rectangle(x, y, across, down, degrees, (x, y)), location)
    return Shape(name, (x, y, x + across, y + down))


def _list_of(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


_FILES = ToolFiles((".json",), is_label_studio_file, label_studio_files)
FORMAT = ReadableFormat(
    NAME,
    "Label Studio JSON, JSON-MIN",
    "`*.json`, a list of tasks",
    "anywhere below, by the end of the URL, with or without the prefix of an upload",
    "brush, bitmasks and outlines (polygons, ellipses, boxes that are turned)",
    _FILES.in_folder,
    _FILES.of_file,
)
