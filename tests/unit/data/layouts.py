"""Every layout that docs/data.md promises, written small: two images in each split, with one object each."""

import json
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.unit.data.conftest import image
from tests.unit.data.panoptic import panoptic_folder

SIZE = (40, 20)  # width, height
BOX = (10.0, 5.0, 30.0, 15.0)
LINE = "0.5 0.5 0.5 0.5"
XML = (
    "<annotation><filename>{name}.jpg</filename><object><name>{label}</name><bndbox>"
    "<xmin>10</xmin><ymin>5</ymin><xmax>30</xmax><ymax>15</ymax></bndbox></object></annotation>"
)
SPLITS = {"train": ("t0", "t1"), "val": ("v0", "v1")}
NAMES = ["cat", "dog"]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def images(folder: Path, names: tuple[str, ...]) -> None:
    for name in names:
        image(folder / f"{name}.jpg", SIZE, seed=sum(name.encode()))


def coco_text(names: tuple[str, ...]) -> str:
    images = [{"id": i, "file_name": f"{name}.jpg", "width": 40, "height": 20} for i, name in enumerate(names, 1)]
    annotations = [
        {"id": i, "image_id": i, "category_id": 2 - i % 2, "bbox": [10, 5, 20, 10], "area": 200, "iscrowd": 0}
        for i in range(1, len(names) + 1)
    ]
    categories = [{"id": i, "name": name} for i, name in enumerate(NAMES, 1)]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def yolo_labels(folder: Path, names: tuple[str, ...], more: str = "") -> None:
    for i, name in enumerate(names):
        write(folder / f"{name}.txt", f"{i} {LINE}{more}\n")


def voc_labels(folder: Path, names: tuple[str, ...]) -> None:
    for name, label in zip(names, NAMES, strict=True):
        write(folder / f"{name}.xml", XML.format(name=name, label=label))


def coco(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / f"{split}2017", names)
        write(root / f"annotations/instances_{split}2017.json", coco_text(names))
    return root


def coco_beside(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / split, names)
        write(root / split / "_annotations.coco.json", coco_text(names))
    return root


def coco_file(root: Path) -> Path:
    images(root / "data", SPLITS["train"])
    return write(root / "labels.json", coco_text(SPLITS["train"]))


def coco_panoptic(root: Path) -> Path:
    panoptic_folder(root)
    return root


def yolo(root: Path, content: dict | None = None, more: str = "") -> Path:
    for split, names in SPLITS.items():
        images(root / f"images/{split}", names)
        yolo_labels(root / f"labels/{split}", names, more)
    content = {"path": ".", "train": "images/train", "val": "images/val", "nc": 2, "names": NAMES} | (content or {})
    write(root / "data.yaml", yaml.safe_dump(content))
    return root


def yolo_file(root: Path) -> Path:
    return yolo(root) / "data.yaml"


def yolo_backslashes(root: Path) -> Path:
    return yolo(
        root, {"path": ".\\", "train": "images\\train", "val": ["images\\val\\"], "names": {0: "cat", 1: "dog"}}
    )


def yolo_of_another_machine(root: Path) -> Path:
    return yolo(root, {"path": "/content/set", "train": "/content/set/images/train", "val": "C:\\set\\images\\val"})


def yolo_pose(root: Path) -> Path:
    return yolo(root, {"kpt_shape": [2, 3]}, more=" 0.4 0.4 2 0.6 0.6 1")


def yolo_roboflow(root: Path) -> Path:
    for split, names in (("train", SPLITS["train"]), ("valid", SPLITS["val"])):
        images(root / f"{split}/images", names)
        yolo_labels(root / f"{split}/labels", names)
    write(root / "data.yaml", "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnames: [cat, dog]\n")
    return root


def yolo_lists(root: Path) -> Path:
    yolo(root, {"train": "train.txt", "val": "val.txt"})
    write(root / "train.txt", "./images/train/t0.jpg\nimages/train/t1.jpg\n")
    write(root / "val.txt", "/content/images/val/v0.jpg\r\ndata\\images\\val\\v1.jpg\r\n")
    return root


def yolo_class_file(root: Path, more: str = "") -> Path:
    yolo(root, more=more)
    (root / "data.yaml").unlink()
    write(root / "classes.txt", "cat\ndog\n")
    return root


def yolo_label_studio(root: Path) -> Path:
    images(root / "images", SPLITS["train"])
    yolo_labels(root / "labels", SPLITS["train"])
    write(root / "classes.txt", "cat\ndog\n")
    write(root / "notes.json", '{"categories": [{"id": 0, "name": "cat"}], "info": {"year": 2025}}')
    return root


def yolo_label_img(root: Path) -> Path:
    images(root / "images", SPLITS["train"])
    yolo_labels(root / "labels", SPLITS["train"])
    write(root / "labels/classes.txt", "cat\r\ndog\r\n")
    return root


def yolo_one_folder(root: Path) -> Path:
    images(root, SPLITS["train"])
    yolo_labels(root, SPLITS["train"])
    write(root / "classes.txt", "cat\ndog")
    return root


def yolo_darknet(root: Path) -> Path:
    for split, subset in (("train", "train"), ("val", "Validation")):
        images(root / f"obj_{subset}_data", SPLITS[split])
        yolo_labels(root / f"obj_{subset}_data", SPLITS[split])
        write(root / f"{subset}.txt", "".join(f"data/obj_{subset}_data/{name}.jpg\n" for name in SPLITS[split]))
    write(root / "obj.names", "cat\ndog\n")
    write(
        root / "obj.data", "classes = 2\ntrain = data/train.txt\nvalid = data/Validation.txt\nnames = data/obj.names\n"
    )
    return root


def voc(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / "JPEGImages", names)
        voc_labels(root / "Annotations", names)
        write(root / f"ImageSets/Main/{split}.txt", "".join(f"{name}\n" for name in names))
    return root


def voc_devkit(root: Path) -> Path:
    voc(root / "VOC2012")
    return root


def voc_beside(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / split, names)
        voc_labels(root / split, names)
    return root


def voc_flat(root: Path) -> Path:
    images(root / "images", SPLITS["train"])
    voc_labels(root / "annotations", SPLITS["train"])
    return root


def voc_oxford(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / "images", names)
        voc_labels(root / "annotations/xmls", names)
        write(root / f"annotations/{split}.txt", "".join(f"{name} 1 1 1\n" for name in names))
    return root


def voc_folders(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / f"JPEGImages/{split}_cam", names)
        voc_labels(root / f"Annotations/{split}_cam", names)
        write(root / f"ImageSets/Main/{split}.txt", "".join(f"{split}_cam/{name}\n" for name in names))
    return root


def voc_split_folders(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / split / "images", names)
        voc_labels(root / split / "annotations", names)
    return root


def voc_folders_of_splits(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / "images" / split, names)
        voc_labels(root / "labels" / split, names)
    return root


def yolo_darknet_folders(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / "data/obj", names)
        yolo_labels(root / "data/obj", names)
        write(root / f"data/{split}.txt", "".join(f"data/obj/{name}.jpg\n" for name in names))
    write(root / "data/obj.names", "cat\ndog\n")
    write(root / "cfg/obj.data", "classes=2\ntrain=data/train.txt\nvalid=data/val.txt\nnames=data/obj.names\n")
    return root


def coco_lvis(root: Path) -> Path:
    coco(root)
    for split in SPLITS:
        path = root / f"annotations/instances_{split}2017.json"
        content = json.loads(path.read_text())
        for record in content["images"]:
            name = record.pop("file_name")
            record |= {"coco_url": f"http://images.cocodataset.org/{split}2017/{name}", "neg_category_ids": []}
        path.rename(path.with_name(f"lvis_v1_{split}.json")).write_text(json.dumps(content))
    return root


def coco_keypoints(root: Path) -> Path:
    coco(root)
    for split in SPLITS:
        path = root / f"annotations/instances_{split}2017.json"
        content = json.loads(path.read_text())
        for record in content["annotations"]:
            del record["bbox"], record["area"]
            record |= {"keypoints": [10, 5, 2, 30, 15, 1, 0, 0, 0], "num_keypoints": 2}
        path.rename(path.with_name(f"person_keypoints_{split}2017.json")).write_text(json.dumps(content))
    return root


def via(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / split, names)
        table = {}
        for i, name in enumerate(names):
            rect = {"name": "rect", "x": 10, "y": 5, "width": 20, "height": 10}
            region = {"shape_attributes": rect, "region_attributes": {"type": NAMES[i]}}
            table[f"{name}.jpg1"] = {"filename": f"{name}.jpg", "size": 1, "regions": [region], "file_attributes": {}}
        write(root / split / "via_region_data.json", json.dumps(table))
    return root


def datumaro(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / "images" / split, names)
        labels = [{"name": name, "parent": "", "attributes": []} for name in NAMES]
        box = {"id": 0, "type": "bbox", "attributes": {"occluded": False}, "group": 0, "bbox": [10, 5, 20, 10]}
        items = [
            {"id": name, "annotations": [box | {"label_id": i}], "image": {"path": f"{name}.jpg", "size": [20, 40]}}
            for i, name in enumerate(names)
        ]
        content = {"info": {}, "categories": {"label": {"labels": labels, "attributes": []}}, "items": items}
        write(root / f"annotations/{split}.json", json.dumps(content))
    return root


def open_images(root: Path) -> Path:
    rows = ["ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax"]
    images(root / "data", SPLITS["train"])
    rows += [f"{name},x,/m/{i},1,0.25,0.75,0.25,0.75" for i, name in enumerate(SPLITS["train"])]
    write(root / "labels/detections.csv", "\n".join(rows))
    write(root / "metadata/classes.csv", "/m/0,cat\n/m/1,dog\n")
    return root


def kitti(root: Path) -> Path:
    images(root / "training/image_2", SPLITS["train"])
    images(root / "val/image_2", SPLITS["val"])
    for folder, names in (("training", SPLITS["train"]), ("val", SPLITS["val"])):
        for i, name in enumerate(names):
            write(root / folder / f"label_2/{name}.txt", f"{NAMES[i]} 0 0 0 10 5 30 15 0 0 0 0 0 0 0\n")
    return root


def dota(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / split / "images", names)
        for i, name in enumerate(names):
            write(root / split / f"labelTxt/{name}.txt", f"gsd:0.1\n10 5 30 5 30 15 10 15 {NAMES[i]} 0\n")
    return root


def yolo_roboflow_darknet(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / split, names)
        yolo_labels(root / split, names)
        write(root / split / "_darknet.labels", "cat\ndog\n")
    return root


def csv_boxes(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / split, names)
        rows = [f"{name}.jpg,40,20,{NAMES[i]},10,5,30,15\n" for i, name in enumerate(names)]
        write(root / split / "_annotations.csv", "filename,width,height,class,xmin,ymin,xmax,ymax\n" + "".join(rows))
    return root


def create_ml(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / split, names)
        box = {"x": 20, "y": 10, "width": 20, "height": 10}
        content = [
            {"image": f"{name}.jpg", "annotations": [{"label": NAMES[i], "coordinates": box}]}
            for i, name in enumerate(names)
        ]
        write(root / split / "_annotations.createml.json", json.dumps(content))
    return root


def cvat(root: Path) -> Path:
    boxes = '<box label="{}" occluded="0" xtl="10" ytl="5" xbr="30" ybr="15" z_order="0"></box>'
    parts = ""
    for split, names in SPLITS.items():
        images(root / "images", names)
        for i, name in enumerate(names):
            parts += (
                f'<image name="{name}.jpg" subset="{split}" width="40" height="20">{boxes.format(NAMES[i])}</image>'
            )
    labels = "".join(f"<label><name>{name}</name></label>" for name in NAMES)
    meta = f"<meta><project><labels>{labels}</labels></project></meta>"
    write(root / "annotations.xml", f"<annotations><version>1.1</version>{meta}{parts}</annotations>")
    return root


def cvat_file(root: Path) -> Path:
    return cvat(root) / "annotations.xml"


def label_studio(root: Path) -> Path:
    tasks = []
    for i, name in enumerate(SPLITS["train"]):
        images(root / "files", (name,))
        value = {"x": 25, "y": 25, "width": 50, "height": 50, "rotation": 0, "rectanglelabels": [NAMES[i]]}
        region = {"id": "a", "type": "rectanglelabels", "original_width": 40, "original_height": 20, "value": value}
        tasks.append({"id": i, "annotations": [{"id": i, "result": [region]}], "data": {"image": f"/data/{name}.jpg"}})
    write(root / "project-1-at-2026-01-01.json", json.dumps(tasks))
    return root


def labelme(root: Path) -> Path:
    for split, names in SPLITS.items():
        images(root / split, names)
        for i, name in enumerate(names):
            shape = {"label": NAMES[i], "points": [[10, 5], [30, 15]], "shape_type": "rectangle", "flags": {}}
            write(root / split / f"{name}.json", json.dumps({"shapes": [shape], "imagePath": f"{name}.jpg"}))
    return root


def supervisely(root: Path) -> Path:
    write(root / "meta.json", json.dumps({"classes": [{"title": name} for name in NAMES]}))
    for split, names in SPLITS.items():
        images(root / split / "img", names)
        for i, name in enumerate(names):
            points = {"exterior": [[10, 5], [30, 15]], "interior": []}
            figure = {"classTitle": NAMES[i], "geometryType": "rectangle", "points": points}
            write(root / split / f"ann/{name}.jpg.json", json.dumps({"objects": [figure]}))
    return root


def described(root: Path) -> Path:
    coco(root / "c")
    parts = {
        split: {"annotations": f"c/annotations/instances_{split}2017.json", "images": f"c\\{split}2017"}
        for split in SPLITS
    }
    return write(root / "parts.yaml", yaml.safe_dump({"splits": parts}))


def described_voc(root: Path) -> Path:
    voc(root / "v")
    part = {"annotations": "v/Annotations", "images": "v/JPEGImages"}
    parts = {split: {**part, "list": f"v/ImageSets/Main/{split}.txt"} for split in SPLITS}
    return write(root / "parts.json", json.dumps({"splits": parts}))


def described_yolo(root: Path) -> Path:
    yolo(root / "y")
    parts = {split: {"images": f"y/images/{split}"} for split in SPLITS}
    return write(root / "parts.yaml", yaml.safe_dump({"splits": parts, "names": NAMES}))


LAYOUTS: tuple[Callable[[Path], Path], ...] = (
    coco,
    coco_beside,
    coco_file,
    coco_panoptic,
    yolo,
    yolo_file,
    yolo_backslashes,
    yolo_of_another_machine,
    yolo_pose,
    yolo_roboflow,
    yolo_lists,
    yolo_class_file,
    yolo_label_studio,
    yolo_label_img,
    yolo_one_folder,
    yolo_darknet,
    voc,
    voc_devkit,
    voc_beside,
    voc_flat,
    voc_oxford,
    voc_folders,
    voc_split_folders,
    voc_folders_of_splits,
    yolo_darknet_folders,
    coco_lvis,
    coco_keypoints,
    via,
    datumaro,
    open_images,
    kitti,
    dota,
    yolo_roboflow_darknet,
    csv_boxes,
    create_ml,
    cvat,
    cvat_file,
    label_studio,
    labelme,
    supervisely,
    described,
    described_voc,
    described_yolo,
)
