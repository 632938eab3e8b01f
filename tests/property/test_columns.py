from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from condetr.data.columns.building import columns_of
from condetr.data.columns.outlines import outline_of, packed_outline
from condetr.data.records import Annotated, Example, Object
from tests.unit.data.columns.records import exact

floats = st.floats(allow_nan=True, allow_infinity=True)
numbers = st.one_of(floats, st.integers(-(10**20), 10**20))
texts = st.text(st.characters(), max_size=5)  # also half characters
ids = st.integers(-(2**63), 2**63 - 1) | texts
polygons = st.lists(st.lists(numbers, max_size=8), max_size=3)
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.builds(
    Object,
    label=st.integers(0, 2**31 - 1),
    box=st.tuples(floats, floats, floats, floats),
    area=floats,
    id=st.none() | ids,
    segmentation=polygons | values,
    annotated=st.none() | st.builds(Annotated, floats, floats, floats, floats, floats),
    order=st.integers(0, 2**63 - 1),
    marks=st.sampled_from([(), ("difficult",), ("truncated", "occluded")]),
)
some = st.lists(objects, max_size=3).map(tuple)
paths = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=9).map(Path)
examples = st.builds(
    Example,
    path=paths,
    size=st.tuples(st.integers(1, 2**31 - 1), st.integers(1, 2**31 - 1)),
    image_id=ids,
    objects=some,
    crowds=some,
    segments=st.none() | paths,
    lost=some,
    lost_crowds=some,
)


@given(st.lists(examples, max_size=4), st.data())
def test_records_come_back_from_columns(listed, data):
    columns = columns_of(listed)
    assert exact(list(columns)) == exact(listed)
    positions = data.draw(st.lists(st.integers(0, max(0, len(listed) - 1)), max_size=5 if listed else 0))
    assert exact(list(columns.chosen(positions))) == exact([listed[position] for position in positions])


@given(polygons | values)
def test_a_segmentation_comes_back_from_its_bytes(segmentation):
    assert exact(outline_of(packed_outline(segmentation))) == exact(segmentation)
