from collections import Counter

from condetr.data.checks.data_charts import charts_of
from condetr.data.discovery.formats import read_dataset
from tests.unit.data.conftest import good_content


def area_of_colors(sheet):
    return Counter({color: count for count, color in sheet.getcolors(1 << 20)})


def test_each_split_has_bars_of_its_color(coco):
    dataset = read_dataset(coco())
    colors = area_of_colors(charts_of({"train": dataset, "val": dataset}))
    assert colors[30, 80, 200] > 2000
    assert colors[200, 110, 0] > 2000


def test_without_objects_there_are_empty_charts(coco):
    content = good_content()
    content["annotations"] = []
    assert charts_of({"train": read_dataset(coco(content))}).size == (1120, 680)
