"""Small datasets as tools and people leave them, each read as its owner means it by every command and form of its path.

Each follows a tool's documentation or a report about it. All images are 64x48 pixels, and all boxes the same, so that
what is read is known.
"""

import io
import json
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image

from tests.unit.data.tools.reading import found

BOX = (10.0, 5.0, 30.0, 15.0)  # also x, y, width, height: 10 5 20 10
LINE = "0.3125 0.208333333 0.3125 0.208333333"
CAT, DOG = [("cat", BOX)], [("dog", BOX)]
PACKED = "U?:V10000000000000000000000000000000000000kb1"  # run lengths of the box in COCO's packed text
NAMES = "names:\n  0: cat\n  1: dog\n"
CASES = []


def case(build):
    CASES.append(build)
    return build


def content(ending):
    stream = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, {".png": "PNG"}.get(ending.lower(), "JPEG"))
    return stream.getvalue()


def put(root: Path, files: dict) -> None:
    """Files by name: text, bytes, JSON, or None for an image."""
    for name, value in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if value is None:
            value = content(path.suffix)
        elif not isinstance(value, str | bytes):
            value = json.dumps(value)
        path.write_bytes(value if isinstance(value, bytes) else value.encode())


def coco(*names, boxes=True, **of_image):
    """A COCO file of these images, a cat on the first and a dog on the second."""
    images = [{"id": i, "file_name": name, "width": 64, "height": 48} | of_image for i, name in enumerate(names)]
    objects = [{"id": i, "image_id": i, "category_id": i, "bbox": [10, 5, 20, 10]} for i in range(len(names))]
    categories = [{"id": 0, "name": "cat", "supercategory": None}, {"id": 1, "name": "dog", "supercategory": None}]
    return {"info": {}, "images": images, "annotations": objects if boxes else [], "categories": categories}


def voc(name, *, filename, extra=""):
    edges = "<xmin>10</xmin><ymin>5.0</ymin><xmax> 30 </xmax><ymax>15</ymax>"
    return (
        f"<annotation><folder>x</folder><filename>{filename}</filename><path>C:\\Users\\me\\{filename}</path>"
        f"<size><width>64</width><height>48</height><depth>3</depth></size><segmented>0</segmented>"
        f"<object>{extra}<name>{name}</name><pose>Unspecified</pose><bndbox>{edges}</bndbox></object></annotation>"
    )


# YOLO


@case
def ultralytics_yaml(root):
    """Comments, the folder of another machine, an empty test, and a download."""
    text = "path: ../datasets/coco8 # dataset root dir\ntrain: images/train # 4 images\nval: images/val\n"
    text += f"test: # test images (optional)\n\n# Classes\n{NAMES}\ndownload: https://example.org/coco8.zip\n"
    put(root, {"coco8.yaml": text, "images/train/a.jpg": None, "images/val/b.jpg": None})
    put(root, {"labels/train/a.txt": f"0 {LINE}\n", "labels/val/b.txt": f"1 {LINE}"})
    return {"train": {"images/train/a.jpg": CAT}, "val": {"images/val/b.jpg": DOG}}


@case
def ultralytics_script(root):
    """Several folders of a split, and a script of many lines with what looks like keys."""
    text = "path: ../datasets/VOC\ntrain:\n  - images/train2012\n  - images/train2007\nval:\n  - images/test2007\n"
    text += f"{NAMES}download: |\n  import os\n  names: [x]\n  train: {{'a': \"b\"}}  # no YAML\n"
    put(root, {"VOC.yaml": text})
    for name, label in (("train2012/a", 0), ("train2007/b", 1), ("test2007/c", 0)):
        put(root, {f"images/{name}.jpg": None, f"labels/{name}.txt": f"{label} {LINE}\n"})
    train = {"images/train2012/a.jpg": CAT, "images/train2007/b.jpg": DOG}
    return {"train": train, "val": {"images/test2007/c.jpg": CAT}}


@case
def cvat_ultralytics(root):
    """Lists beside data.yaml, folders and spaces in names."""
    put(root, {"data.yaml": "names:\n  0: cat\n  1: dog\npath: .\ntrain: train.txt\nval: Validation.txt\n"})
    put(root, {"train.txt": "data/images/train/cam 1/a b.jpg\n", "Validation.txt": "images/Validation/c.jpg\n"})
    put(root, {"images/train/cam 1/a b.jpg": None, "labels/train/cam 1/a b.txt": f"0 {LINE}\n"})
    put(root, {"images/Validation/c.jpg": None, "labels/Validation/c.txt": f"1 {LINE}\n"})
    return {"train": {"images/train/cam 1/a b.jpg": CAT}, "val": {"images/Validation/c.jpg": DOG}}


@case
def roboflow_oriented(root):
    """Four corners a line, and nothing in data.yaml that states it."""
    text = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['cat', 'dog']\n"
    text += "\nroboflow:\n  workspace: me\n  version: 1\n  license: CC BY 4.0\n"
    corners = "0.15625 0.104166667 0.46875 0.104166667 0.46875 0.3125 0.15625 0.3125"
    put(root, {"data.yaml": text, "README.roboflow.txt": "v1\n0 0 0 0 0\n", "README.dataset.txt": "# set\n"})
    for split, label in (("train", 0), ("valid", 1)):
        put(
            root, {f"{split}/images/a_jpg.rf.0a1b.jpg": None, f"{split}/labels/a_jpg.rf.0a1b.txt": f"{label} {corners}"}
        )
    name = "images/a_jpg.rf.0a1b.jpg"
    return {"train": {f"train/{name}": CAT}, "val": {f"valid/{name}": DOG}}


@case
def labelimg_windows(root):
    """Line ends and a byte order mark of Windows, upper case, and what Explorer and Finder leave."""
    put(root, {"IMG_1.JPG": None, "IMG_1.txt": f"1 {LINE}\r\n\r\n", "classes.txt": b"\xef\xbb\xbfcat\r\ndog\r\n"})
    put(root, {"Thumbs.db": b"\xd0\xcf", "desktop.ini": "[x]", ".DS_Store": b"\0\0", "._IMG_1.JPG": b"\0\5"})
    put(root, {"__MACOSX/._IMG_1.JPG": b"\0", "._classes.txt": b"\0\5", "._IMG_1.txt": b"\0\5\xff"})
    return {"all": {"IMG_1.JPG": DOG}}


@case
def darknet_windows(root):
    text = "classes= 2\r\ntrain  = C:\\darknet\\data\\train.txt\r\nnames = C:\\darknet\\data\\obj.names\r\n"
    put(root, {"data/obj.data": text, "data/obj.names": "cat\r\ndog\r\n", "data/obj/a.jpg": None})
    put(root, {"data/train.txt": "C:\\darknet\\data\\obj\\a.jpg\r\n", "data/obj/a.txt": f"0 {LINE}\r\n"})
    return {"train": {"data/obj/a.jpg": CAT}}


@case
def cvat_yolo_folders(root):
    """YOLO 1.1 of a task whose images are in folders."""
    put(root, {"obj.data": "classes = 2\nnames = data/obj.names\ntrain = data/train.txt\nbackup = backup/\n"})
    put(
        root,
        {"obj.names": "cat\ndog\n", "train.txt": "data/obj_train_data/day 1/a.jpg\ndata/obj_train_data/day 2/a.jpg\n"},
    )
    for day in (1, 2):
        put(root, {f"obj_train_data/day {day}/a.jpg": None, f"obj_train_data/day {day}/a.txt": f"{day - 1} {LINE}\n"})
    return {"train": {"obj_train_data/day 1/a.jpg": CAT, "obj_train_data/day 2/a.jpg": DOG}}


@case
def fiftyone_yolo(root):
    put(root, {"dataset.yaml": f"{NAMES}path: /home/me/fiftyone/export\ntrain: ./images/train/\nval: ./images/val/\n"})
    for split, label in (("train", 0), ("val", 1)):
        put(root, {f"images/{split}/a.png": None, f"labels/{split}/a.txt": f"{label} {LINE}"})
    return {"train": {"images/train/a.png": CAT}, "val": {"images/val/a.png": DOG}}


# COCO


@case
def fiftyone_coco(root):
    """No iscrowd, no area, ids from 0."""
    put(root, {"data/a.jpg": None, "data/b.jpg": None, "labels.json": coco("a.jpg", "b.jpg")})
    return {"all": {"a.jpg": CAT, "b.jpg": DOG}}


@case
def cvat_coco(root):
    put(
        root,
        {"images/default/a.jpg": None, "annotations/instances_default.json": coco("a.jpg", license=0, flickr_url="")},
    )
    return {"all": {"a.jpg": CAT}}


@case
def label_studio_coco_project(root):
    """https://github.com/HumanSignal/label-studio-converter/issues/139"""
    put(root, {"images/90fbb0c7-a.jpg": None, "images/90fbb0c8-b.jpg": None})
    put(root, {"result.json": coco("images\\1/90fbb0c7-a.jpg", "images\\1/90fbb0c8-b.jpg")})
    return {"all": {"90fbb0c7-a.jpg": CAT, "90fbb0c8-b.jpg": DOG}}


@case
def label_studio_coco_upload(root):
    """https://github.com/HumanSignal/label-studio/issues/7294"""
    put(root, {"images/cb0618f6-a.png": None})
    put(root, {"result.json": coco("..\\..\\label-studio\\label-studio\\media\\upload\\4\\cb0618f6-a.png")})
    return {"all": {"cb0618f6-a.png": CAT}}


@case
def coco_of_another_machine(root):
    put(root, {"train/a.jpg": None, "val/b.jpg": None})
    put(root, {"annotations/train.json": coco("/content/drive/MyDrive/set/train/a.jpg")})
    put(root, {"annotations/val.json": coco("D:\\set\\val\\b.jpg")})
    put(root, {"annotations/._train.json": b"\0\5", "annotations/.ipynb_checkpoints/train-checkpoint.json": "{"})
    return {"train": {"a.jpg": CAT}, "val": {"b.jpg": CAT}}


@case
def coco_packed_masks(root):
    """Run lengths as packed text and no box, ids as text, sizes as fractions, an image without objects."""
    labels = coco("a.jpg", "b.jpg", width=64.0, height=48.0)
    for image in labels["images"]:
        image["id"] = f"i{image['id']}"
    packed = {"size": [48, 64], "counts": PACKED}
    labels["annotations"] = [{"id": "x", "image_id": "i0", "category_id": 1, "segmentation": packed, "iscrowd": 0}]
    put(root, {"images/a.jpg": None, "images/b.jpg": None, "annotations/instances_train.json": labels})
    return {"train": {"a.jpg": DOG, "b.jpg": []}}


@case
def coco_without_objects_in_val(root):
    put(root, {"train/a.jpg": None, "train/_annotations.coco.json": coco("a.jpg")})
    put(root, {"valid/b.jpg": None, "valid/_annotations.coco.json": coco("b.jpg")})
    put(root, {"test/c.jpg": None, "test/_annotations.coco.json": coco("c.jpg", boxes=False)})
    return {"train": {"a.jpg": CAT}, "val": {"b.jpg": CAT}, "test": {"c.jpg": []}}


# Pascal VOC


@case
def fiftyone_voc(root):
    put(root, {"data/a.jpg": None, "labels/a.xml": voc("cat", filename="a.jpg")})
    return {"all": {"a.jpg": CAT}}


@case
def voc_parts(root):
    """An object with parts that have names and boxes themselves, and a file name without its ending."""
    part = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"
    put(root, {"JPEGImages/a (1).jpg": None, "Annotations/a (1).xml": voc("dog", filename="a (1)", extra=part)})
    put(root, {"ImageSets/Main/train.txt": "a (1)\r\n", "ImageSets/Main/dog_train.txt": "a 1\n"})
    return {"train": {"a (1).jpg": DOG}}


@case
def oxford_pets(root):
    """XML for some of the images, lists with columns and comments, and the hidden files of a Mac in the archive."""
    xml = {"annotations/xmls/a_1.xml": voc("cat", filename="a_1.jpg"), "annotations/xmls/._a_1.xml": b"\0\5"}
    put(root, {"images/a_1.jpg": None, "images/b_2.jpg": None, "images/a_1.mat": b"MATLAB", **xml})
    put(
        root,
        {"annotations/trainval.txt": "a_1 1 1 1\nb_2 2 2 1\n", "annotations/list.txt": "#Image CLASS-ID\na_1 1 1 1\n"},
    )
    put(root, {"annotations/trimaps/a_1.png": None, "annotations/._trimaps": b"\0"})
    return {"trainval": {"a_1.jpg": CAT}}


# other tools


@case
def label_studio_windows(root):
    """Local files of Windows, and a box that is turned by a right angle around its corner."""
    value = {"x": 50, "y": 100 * 10 / 48, "width": 100 * 20 / 64, "height": 100 * 10 / 48, "rotation": 90}
    region = {"id": "r", "type": "rectanglelabels", "original_width": 64, "original_height": 48, "image_rotation": 0}
    region |= {"from_name": "label", "to_name": "image", "value": value | {"rectanglelabels": ["cat"]}}
    task = {"id": 1, "data": {"image": f"/data/local-files/?d={quote(chr(92).join(('photos', 'é 1', 'a b.jpg')))}"}}
    put(root, {"photos/é 1/a b.jpg": None, "project-1.json": [task | {"annotations": [{"id": 1, "result": [region]}]}]})
    return {"all": {"photos/é 1/a b.jpg": [("cat", (22.0, 10.0, 32.0, 30.0))]}}


@case
def label_studio_min(root):
    """JSON-MIN: no tasks, only what was labeled."""
    box = {"x": 15.625, "y": 100 * 5 / 48, "width": 31.25, "height": 100 * 10 / 48, "rotation": 0}
    box |= {"rectanglelabels": ["dog"], "original_width": 64, "original_height": 48}
    row = {"image": "/data/upload/3/1a2b3c4d-my%20photo.jpg", "id": 7, "label": [box], "annotator": 1, "lead_time": 2.5}
    put(
        root,
        {
            "images/my photo.jpg": None,
            "export.json": [row | {"annotation_id": 4, "created_at": "2026", "updated_at": ""}],
        },
    )
    return {"all": {"images/my photo.jpg": DOG}}


@case
def labelme_windows(root):
    """JSON in a folder of its own, slashes of Windows, a rectangle that was drawn upwards, no type of shape."""
    corner = {"label": "cat", "points": [[30, 15], [10, 5]], "shape_type": "rectangle", "group_id": None, "flags": {}}
    outline = {"label": "dog", "points": [[10, 5], [30, 5], [30, 15], [10, 15]], "shape_type": None, "flags": {}}
    file = {
        "version": "5.4.1",
        "flags": {},
        "shapes": [corner, outline],
        "imagePath": "..\\images\\a.jpg",
        "imageData": None,
    }
    put(root, {"images/a.jpg": None, "json/a.json": file | {"imageHeight": 48, "imageWidth": 64}})
    return {"all": {"images/a.jpg": CAT + DOG}}


@case
def via_project(root):
    """VIA 2, with a checkbox as the class, a file size in the key, and an image without regions."""
    rect = {"name": "rect", "x": 10, "y": 5, "width": 20, "height": 10}
    region = {"shape_attributes": rect, "region_attributes": {"kind": {"cat": True}}}
    images = {"a.jpg123": {"filename": "a.jpg", "size": 123, "regions": [region], "file_attributes": {"caption": ""}}}
    images["b.jpg9"] = {"filename": "b.jpg", "size": 9, "regions": [], "file_attributes": {}}
    file = {"_via_settings": {"ui": {}}, "_via_img_metadata": images, "_via_attributes": {"region": {}, "file": {}}}
    put(root, {"a.jpg": None, "b.jpg": None, "via_project.json": b"\xef\xbb\xbf" + json.dumps(file).encode()})
    return {"all": {"a.jpg": CAT, "b.jpg": []}}


@case
def makesense_csv(root):
    text = "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height\n"
    put(root, {"a.jpg": None, "labels_my-project.csv": f"{text}dog,10,5,20,10,a.jpg,64,48\n"})
    return {"all": {"a.jpg": DOG}}


@case
def makesense_csv_without_names(root):
    """As it was before https://github.com/skalskip/make-sense/issues/252"""
    put(root, {"a.jpg": None, "labels_my-project.csv": "cat,10,5,20,10,a.jpg,64,48\ndog,10,5,20,10,a.jpg,64,48\n"})
    return {"all": {"a.jpg": CAT + DOG}}


@case
def csv_of_spreadsheets(root):
    """Semicolons, as spreadsheets write where the decimal sign is a comma; a byte order mark; quoted names."""
    text = '\ufeff"filename";"class";"xmin";"ymin";"xmax";"ymax"\r\n"a;1.jpg";"cat";10;5;30;15\r\n'
    put(root, {"images/a;1.jpg": None, "labels.csv": text})
    return {"all": {"images/a;1.jpg": CAT}}


@case
def csv_tensorflow(root):
    names = "filename,width,height,class,xmin,ymin,xmax,ymax\n"
    put(root, {"images/train/a.jpg": None, "images/test/a.jpg": None})
    put(root, {"train_labels.csv": f"{names}a.jpg,64,48,cat,10,5,30,15\n"})
    put(root, {"test_labels.csv": f"{names}a.jpg,64,48,dog,10,5,30,15\n"})
    return {"train": {"images/train/a.jpg": CAT}, "test": {"images/test/a.jpg": DOG}}


@case
def retinanet_csv(root):
    """keras-retinanet: no names of columns; an image without objects has empty ones."""
    put(root, {"images/a.jpg": None, "images/b.jpg": None, "classes.csv": "cat,0\ndog,1\n"})
    put(root, {"annotations.csv": "/data/imgs/images/a.jpg,10,5,30,15,dog\n/data/imgs/images/b.jpg,,,,,\n"})
    return {"all": {"images/a.jpg": DOG, "images/b.jpg": []}}


@case
def kitti_windows(root):
    lines = (
        "Car 0.00 0 1.57 10.00 5.00 30.00 15.00 1 1 1 0 0 9 1.57\r\nDontCare -1 -1 -10 1 1 9 9 -1 -1 -1 -1 -1 -1 -1\r\n"
    )
    put(
        root,
        {
            "training/image_2/000001.png": None,
            "training/label_2/000001.txt": lines,
            "training/calib/000001.txt": "P0: 1",
        },
    )
    return {"train": {"training/image_2/000001.png": [("Car", BOX)]}}


@case
def dota_windows(root):
    lines = "imagesource:GoogleEarth\r\ngsd:0.146343590398\r\n10.0 5.0 30.0 5.0 30.0 15.0 10.0 15.0 small-vehicle 1\r\n"
    put(root, {"train/images/P0001.png": None, "train/labelTxt/P0001.txt": lines})
    return {"train": {"train/images/P0001.png": [("small-vehicle", BOX)]}}


@case
def cvat_windows(root):
    """Names with the slashes of Windows and an upper-case ending; a box that was drawn to the edge of its image."""
    edges = 'xtl="10.00" ytl="5.00" xbr="30.00" ybr="15.00"'
    box = f'<box label="cat" source="manual" occluded="0" {edges} z_order="0"></box>'
    image = f'<image id="0" name="cam 1\\a.JPG" width="64" height="48">{box}</image>'
    meta = "<meta><job><labels><label><name>cat</name><type>any</type></label></labels></job></meta>"
    put(
        root,
        {
            "images/cam 1/a.JPG": None,
            "annotations.xml": f"<annotations><version>1.1</version>{meta}{image}</annotations>",
        },
    )
    return {"all": {"images/cam 1/a.JPG": CAT}}


REFUSED = {
    "nested": (
        {"export/a.jpg": None, "export/labels.json": coco("a.jpg"), "__MACOSX/export/._a.jpg": b"\0"},
        "export does",
    ),
    "datumaro": ({"annotations/default.json": {"categories": {"label": {}}, "items": [{"annotations": []}]}}, "images"),
    "two folders of another machine": (
        {"images/1.jpg": None, "labels.json": coco("/a/train/1.jpg", "/a/val/1.jpg")},
        "and so is '/a/train/1.jpg'",
    ),
}


@pytest.mark.parametrize("build", CASES, ids=lambda build: build.__name__)
def test_read_as_it_is_meant(condetr, condetr_json, tmp_path, build):
    expected = build(tmp_path / "some set")
    objects, counts = found(tmp_path / "some set")
    assert objects == expected, counts
    status, answer, err = condetr_json("data", "check", "some set/")
    numbers = {split: sum(map(len, images.values())) for split, images in expected.items()}
    assert status == 0, err
    assert {split: part["objects"] for split, part in answer["splits"].items()} == numbers
    assert condetr("data", "show", "some set", "--split", "all", "--output", "grid.jpg")[0] == 0
    assert condetr("data", "convert", tmp_path / "some set/", "new", "--to", "coco")[0] == 0
    again = found(tmp_path / "new")[0]
    assert [sorted(map(sorted, again[split].values())) for split in expected] == [
        sorted(map(sorted, images.values())) for images in expected.values()
    ]


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_what_to_do(condetr, tmp_path, name):
    files, words = REFUSED[name]
    put(tmp_path / "some set", files)
    status, out, err = condetr("data", "check", "some set")
    assert (status, words in out + err) == (3, True), out + err
