"""Folders that the library `datasets` of Hugging Face wrote with `save_to_disk`."""

from dataclasses import replace
from importlib import import_module
from pathlib import Path

from condetr.core.errors import DataError, first_line_of
from condetr.data.coco.layout import coco_in
from condetr.data.discovery.disk import is_file
from condetr.data.discovery.layout import Layout
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.hub_datasets import folder_of_hub_dataset, is_hub_dataset

NAME = "datasets"


def saved_dataset_in(folder: Path) -> Layout | None:
    """The dataset that was saved in a folder, if there is one; its images are written to the cache.

    Raises:
        DataError: the library is not installed or cannot read the folder, or the columns are not the usual ones.
    """
    names = (folder / name for name in ("dataset_info.json", "state.json"))
    if not is_file(folder / "dataset_dict.json") and not all(map(is_file, names)):
        return None
    try:
        library = import_module("datasets")
    except ImportError:
        reason = "was saved by the library datasets, which is not installed"
        raise DataError(reason, source=folder, hint="pip install datasets") from None
    try:
        data = library.load_from_disk(str(folder))
    except Exception as error:  # whatever Arrow raises on damaged files
        raise DataError(f"cannot be read by datasets: {first_line_of(error)}", source=folder) from error
    if not is_hub_dataset(data):
        raise DataError(f"holds a {type(data).__name__}, expected a Dataset or DatasetDict", source=folder)
    layout = coco_in(folder_of_hub_dataset(data))
    assert layout is not None, "it was written as COCO"
    return replace(layout, format=NAME, source=folder)


FORMAT = ReadableFormat(
    NAME,
    "Hugging Face datasets",
    "`dataset_dict.json`, or `dataset_info.json` and `state.json`, of `save_to_disk`; or the object, in Python",
    "in the column of images; written to the cache (`~/.cache/condetr`)",
    "`segmentation` of the objects, as COCO's",
    saved_dataset_in,
)
