"""A dataset of four images in shards, and the same in files."""

import io
import json
import tarfile

import numpy as np
from PIL import Image

SIZE = (64, 48)
OBJECTS = [
    {"bbox": [[4.0, 5.0, 20.0, 30.0], [30.0, 10.0, 16.0, 16.0]], "category": ["cat", "dog"]},
    {"bbox": [[10.0, 10.0, 40.0, 20.0]], "category": ["dog"]},
    {"bbox": [], "category": []},
    {"bbox": [[1.0, 2.0, 30.0, 40.0]], "category": ["cat"]},
]


def encoded(number):
    levels = np.random.default_rng(number).integers(0, 255, (*SIZE[::-1], 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG")
    return stream.getvalue()


IMAGES = [encoded(number) for number in range(8)]


def tar_of(path, members):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def members_of(numbers):
    members = {}
    for number in numbers:
        members[f"{number:06d}.png"] = IMAGES[number]
        members[f"{number:06d}.json"] = json.dumps({"objects": OBJECTS[number % 4], "caption": "a"}).encode()
    return members


def tar_shards(folder):
    """Two shards of a split train, one of val."""
    tar_of(folder / "train-00000-of-00002.tar", members_of([0, 1]))
    tar_of(folder / "train-00001-of-00002.tar", members_of([2, 3]))
    tar_of(folder / "val-00000-of-00001.tar", members_of([4, 5]))
    return folder


def parquet_shards(folder, *, named=True):
    """The same as the hub has it, with numbered classes."""
    import pyarrow as arrow
    from pyarrow import parquet

    folder.mkdir(parents=True, exist_ok=True)
    feature = {"feature": {"category": {"names": ["cat", "dog"], "_type": "ClassLabel"}}, "_type": "Sequence"}
    hub = json.dumps({"info": {"features": {"image": {"_type": "Image"}, "objects": feature}}})
    for name, numbers in {"train-00000-of-00001": range(4), "validation-00000-of-00001": range(4, 6)}.items():
        images = [{"bytes": IMAGES[each], "path": f"{each:06d}.png" if named else None} for each in numbers]
        objects = [
            {
                "bbox": OBJECTS[each % 4]["bbox"],
                "category": [["cat", "dog"].index(n) for n in OBJECTS[each % 4]["category"]],
            }
            for each in numbers
        ]
        kind = arrow.struct({"bytes": arrow.binary(), "path": arrow.string()})
        boxes = arrow.struct(
            {"bbox": arrow.list_(arrow.list_(arrow.float64())), "category": arrow.list_(arrow.int64())}
        )
        columns = {"image": arrow.array(images, kind), "objects": arrow.array(objects, boxes)}
        table = arrow.table(columns).replace_schema_metadata({"huggingface": hub})
        parquet.write_table(table, folder / f"{name}.parquet", row_group_size=3)
    return folder


def coco_files(folder):
    """The same images in files."""
    for split, numbers in {"train": range(4), "val": range(4, 6)}.items():
        (folder / split).mkdir(parents=True)
        images, annotations = [], []
        for number in numbers:
            (folder / split / f"{number:06d}.png").write_bytes(IMAGES[number])
            images.append({"id": number + 1, "file_name": f"{number:06d}.png", "width": SIZE[0], "height": SIZE[1]})
            for box, name in zip(*OBJECTS[number % 4].values(), strict=True):
                row = {"id": len(annotations) + 1, "image_id": number + 1, "bbox": box, "area": box[2] * box[3]}
                annotations.append(row | {"category_id": ["cat", "dog"].index(name), "iscrowd": 0})
        categories = [{"id": number, "name": name} for number, name in enumerate(("cat", "dog"))]
        (folder / "annotations").mkdir(exist_ok=True)
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / f"annotations/instances_{split}.json").write_text(json.dumps(content))
    return folder
