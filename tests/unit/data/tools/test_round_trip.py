"""What is read from a tool and written in another format has the same splits, images, classes and boxes."""

import pytest

from condetr.core.errors import DataError
from condetr.data.convert import convert
from condetr.data.discovery.formats import layout_of, read_splits
from condetr.data.discovery.readable_formats import TOOLS
from tests.unit.data import layouts
from tests.unit.data.layouts import write
from tests.unit.data.tools.reading import found

OF_TOOLS = (
    layouts.cvat,
    layouts.label_studio,
    layouts.labelme,
    layouts.supervisely,
    layouts.via,
    layouts.datumaro,
    layouts.open_images,
    layouts.kitti,
    layouts.dota,
    layouts.create_ml,
    layouts.csv_boxes,
)


@pytest.mark.parametrize("to", ["coco", "yolo", "voc"])
@pytest.mark.parametrize("layout", OF_TOOLS, ids=lambda layout: layout.__name__)
def test_round_trip(tmp_path, layout, to):
    source = layout(tmp_path / "tool")
    convert(read_splits(source), tmp_path / "new", to)
    before, after = found(source)[0], found(tmp_path / "new")[0]
    stems = {
        form: {split: {name.rpartition("/")[2]: some for name, some in part.items()} for split, part in each.items()}
        for form, each in (("before", before), ("after", after))
    }
    assert stems["before"] == stems["after"]
    assert all(some for part in before.values() for some in part.values())


def test_every_tool_is_tried():
    stored = {"datasets", "webdataset", "parquet"}  # hold their images; test_hub_datasets and shards convert them
    tried = {layout.__name__.replace("csv_boxes", "csv") for layout in OF_TOOLS}
    assert tried == {tool.name.replace("-", "_") for tool in TOOLS} - stored


def test_two_tools_in_one_folder_are_both_named(tmp_path):
    layouts.cvat(tmp_path)
    layouts.label_studio(tmp_path)
    assert layout_of(tmp_path).format == "cvat"
    assert found(tmp_path)[1]["other_format"] == 1


@pytest.mark.parametrize("ending", [".json", ".xml", ".csv", ".txt"])
@pytest.mark.parametrize("text", ["", "[", "[{", "{", "<annotations>", "\0\0", "[{}]", "[1]", "{}", "a,b\n", "[[]]"])
def test_files_of_nothing_are_no_dataset(tmp_path, ending, text):
    file = write(tmp_path / f"labels{ending}", text)
    for path in (tmp_path, file):
        with pytest.raises(DataError):
            read_splits(path)
