"""A dataset written for Label Studio: `tasks.json` to import, `label_config.xml` for the project, and `images/`.

Tasks name their images as Label Studio's local storage does, relative to a document root, which is the folder that
contains the dataset: `/data/local-files/?d=NAME/images/a.jpg`.
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from condetr.data.checks.data_report import DataReport
from condetr.data.format_losses import report_crowds, report_marks
from condetr.data.image_transfer import COPY, ImageTransfer
from condetr.data.label_studio.regions import labeling_configuration, prediction_of, region_of
from condetr.data.object_outlines import object_outlines
from condetr.data.predicted import Predicted
from condetr.data.records import Dataset, Example
from condetr.data.unique_names import names_in_folders
from condetr.data.voc.writing import voc_names
from condetr.files.new_folder import OutputFolder

LOCAL_FILES = "/data/local-files/?d="


def write_label_studio(
    splits: Mapping[str, Dataset],
    output: OutputFolder,
    transfer: ImageTransfer = COPY,
    *,
    predicted: Predicted | None = None,
) -> DataReport:
    """Write images, boxes and outlines; the report names what was renamed or lost.

    Args:
        splits: by name; of several, each task names its own.
        output: a new folder.
        transfer: of the images.
        predicted: the scores, if a model detected the objects: they become predictions, else annotations.

    Raises:
        StorageError: it cannot be written.
    """
    report, tasks, has_outlines = DataReport(), list[dict[str, Any]](), False
    where = output.path.absolute().name
    names = voc_names(next(iter(splits.values())).classes)
    for split, dataset in splits.items():
        for image, example in zip(names_in_folders(dataset, report), dataset, strict=True):
            name = image if len(splits) == 1 else f"{split}/{image}"
            transfer(example.image, output, f"images/{name}")
            report_crowds(example, report)
            report_marks(example, report)
            data = {"image": LOCAL_FILES + quote(os.fsencode(f"{where}/images/{name}"), safe="/")}
            data |= {"split": split} if len(splits) > 1 else {}
            regions = _regions_of(example, names)
            has_outlines |= any(region["type"] == "polygonlabels" for region in regions)
            if predicted is None:
                tasks.append({"data": data, "annotations": [{"result": regions}]})
            else:
                scores = predicted.scores[example.path]
                tasks.append({"data": data, "predictions": [prediction_of(regions, scores, predicted.model)]})
    output.write("tasks.json", json.dumps(tasks, indent=1, allow_nan=False) + "\n")
    output.write("label_config.xml", labeling_configuration(names, polygons=has_outlines))
    return report


def _regions_of(example: Example, names: Sequence[str]) -> list[dict[str, Any]]:
    outlines = object_outlines(example, example.objects)
    return [
        region_of(names[labeled.label], labeled.box, outline, example.size, number)
        for number, (labeled, outline) in enumerate(zip(example.objects, outlines, strict=True), start=1)
    ]
