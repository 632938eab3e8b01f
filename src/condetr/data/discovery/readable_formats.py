"""All formats that are read, in the order in which they are looked for; docs/data.md shows this table."""

from condetr.data.coco.layout import PANOPTIC, coco_in, panoptic_in
from condetr.data.cvat import reading as cvat
from condetr.data.discovery.description import FORMAT as DESCRIBED
from condetr.data.discovery.readable_format import ReadableFormat
from condetr.data.label_studio import reading as label_studio
from condetr.data.shards import parquet, webdataset
from condetr.data.tools import (
    create_ml,
    csv_boxes,
    datumaro,
    dota,
    kitti,
    labelme,
    open_images,
    saved_datasets,
    supervisely,
    via,
)
from condetr.data.voc.layout import voc_in
from condetr.data.yolo.folders import yolo_in

TOOLS = (
    cvat.FORMAT,
    label_studio.FORMAT,
    labelme.FORMAT,
    supervisely.FORMAT,
    via.FORMAT,
    datumaro.FORMAT,
    open_images.FORMAT,
    kitti.FORMAT,
    dota.FORMAT,
    create_ml.FORMAT,
    csv_boxes.FORMAT,
    saved_datasets.FORMAT,
    webdataset.FORMAT,
    parquet.FORMAT,
)
FORMATS = (
    ReadableFormat(
        "coco",
        "COCO",
        "`annotations/*.json`, `*.json`, `train/*.json`, also LVIS; of several kinds, `instances_*`; "
        "where there is no box, that of the outline or of the keypoints",
        "`images/`, `train2017/`, `data/`, or beside the JSON",
        "polygons, and run lengths as a list or packed text",
        coco_in,
    ),
    ReadableFormat(
        PANOPTIC,
        "COCO panoptic",
        "`annotations/panoptic_*.json`, or a JSON file with `segments_info`",
        "as COCO; the PNGs in a folder of the JSON's name beside it",
        "a PNG whose color is the number of a segment",
        panoptic_in,
    ),
    ReadableFormat(
        "yolo",
        "YOLO",
        "`data.yaml` with `names` and `train` or `val`; or `classes.txt` (`obj.names`), beside the images or in "
        "`labels/`; or darknet's `obj.data`, as CVAT writes it",
        "`images/SPLIT/`, `SPLIT/images/`, `images/`, `obj_SPLIT_data/`, list files such as `train.txt`",
        "lines with more than four numbers after the class: an outline",
        yolo_in,
    ),
    ReadableFormat(
        "voc",
        "Pascal VOC",
        "`Annotations/` (`annotations/xmls/`, `labels/`, ...) with XML, perhaps in folders, and `ImageSets/Main/*.txt` "
        "or lists beside it; or XML beside images; each also in folders of splits",
        "`JPEGImages/`, `images/`, or beside the XML",
        "none",
        voc_in,
    ),
    *TOOLS,
)
_TITLES = {each.name: each.title for each in FORMATS} | {DESCRIBED: "described"}


def title_of(name: str) -> str:
    """What a format is called in text."""
    return _TITLES.get(name, name)


def format_table() -> str:
    """The formats as a table in Markdown."""
    rows = [("format", "detected by", "images", "masks"), ("---",) * 4]
    rows += [(each.title, each.labels, each.images, each.masks) for each in FORMATS]
    rows += [("described", "YAML or JSON with `splits:`", "anywhere", "those of COCO and YOLO")]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    print(format_table())  # noqa: T201  for docs/data.md
