import numpy as np
import pytest

from condetr.data.classes import Classes
from condetr.data.demo.scene_folder import write_scenes
from condetr.data.records import Dataset, Example, Object


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    return write_scenes(tmp_path_factory.mktemp("scenes") / "data", train=0, val=40)["val"]


@pytest.fixture
def labelled(tmp_path):
    """Makes a data set of nothing but labels: for each image rows of (label, x1, y1, x2, y2[, crowd])."""

    def make(*images, names=("cat", "dog", "bird")):
        examples = []
        for number, rows in enumerate(images):
            objects = [
                Object(row[0], tuple(map(float, row[1:5])), float(np.prod(np.subtract(row[3:5], row[1:3]))))
                for row in rows
            ]
            crowd = [len(row) > 5 for row in rows]
            singles = tuple(item for item, is_crowd in zip(objects, crowd, strict=True) if not is_crowd)
            crowds = tuple(item for item, is_crowd in zip(objects, crowd, strict=True) if is_crowd)
            examples.append(Example(tmp_path / f"{number}.png", (100, 100), 10 * number + 7, singles, crowds))
        return Dataset(tuple(examples), Classes(names, tuple(range(3, 3 + len(names)))), tmp_path, "val")

    return make
