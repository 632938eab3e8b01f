import os
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from condetr.prediction.result_names import OutputNames
from condetr.prediction.sources import ImageSource


def source(name, place=None):
    return ImageSource(name, PurePath(place or PurePath(name).name), name)


@pytest.mark.parametrize(
    ("name", "position", "expected"),
    [
        ("p/a.jpg", None, "a"),
        ("p/sub/a.b.jpg", "sub/a.b.jpg", "sub/a.b"),
        ("p/.jpg", None, ".jpg"),
        ("p/a\nb.jpg", None, "a\nb"),
        ("p/\udcff.png", None, "\udcff"),
        ("image 0", None, "image 0"),
    ],
)
def test_results_are_filed_by_the_relative_path_of_the_image(name, position, expected):
    assert OutputNames().name_for(source(name, position)) == expected


def test_one_stem_twice_gives_two_names_that_stay():
    names = OutputNames()
    first, second, third = source("p/a.jpg"), source("p/a.png"), source("p/A.gif")
    assert names.name_for(first) == "a"
    original = [names.name_for(item) for item in (first, second, third)]
    assert len({name.casefold() for name in original}) == 3
    assert original[1].startswith("a-")
    assert [names.name_for(item) for item in (first, second, third)] == original
    again = OutputNames({second.name: original[1]})
    assert again.name_for(second) == original[1]
    assert again.name_for(source("p/b.jpg")) == "b"


@given(st.lists(st.text("ab/\u00e9\u4e2d\U0001f600.\udcff", min_size=1, max_size=300), unique=True, max_size=8))
def test_names_are_short_and_never_shared(paths):
    names = OutputNames()
    found = []
    for path in paths:
        parts = [part for part in path.split("/") if part not in ("", ".", "..")] or ["x"]
        parts = [
            os.fsdecode(os.fsencode(part.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape"))[:255])
            for part in parts
        ]
        found.append(names.name_for(ImageSource(path, PurePath(*parts), path)))
    assert len({name.casefold() for name in found}) == len(paths)
    for name in found:
        assert len(os.fsencode(PurePath(name).name)) <= 180 + 9
