import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath

import fsspec
import pytest
from PIL import Image

from condetr.core.errors import CondetrError, DataError, ImageError, MissingExtraError, UsageError
from condetr.files import image_table
from condetr.prediction.input import parquet_rows
from condetr.prediction.input.listing import Listing
from condetr.prediction.sources import images_in, is_one

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def encoded(number):
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (number, 0, 0)).save(stream, "PNG")
    return stream.getvalue()


IMAGES = [encoded(number) for number in range(7)]
NAMES = [f"{number}.png" for number in range(7)]


def table_of(file, /, rows=3, **columns):
    parquet.write_table(arrow.table(columns), file, row_group_size=rows)
    return file


def reds(found):
    return [source.image().getpixel((0, 0))[0] for source in found]


def error_of(source):
    with pytest.raises(CondetrError) as caught:
        source.image()
    return caught.value


@pytest.mark.parametrize("column", ["image", "bytes", "jpg"])
def test_rows_of_encoded_images_have_stable_names_and_are_read_in_any_order(tmp_path, column):
    path = table_of(tmp_path / "a.parquet", **{"id": list(range(7)), column: IMAGES})
    found = list(images_in(path))
    assert [source.name for source in found] == [f"{path}#row={number}" for number in range(7)]
    assert found[6].relative_path == PurePath("a.parquet/row-00000006")
    with ThreadPoolExecutor(4) as pool:
        colors = list(pool.map(lambda source: source.image().getpixel((0, 0))[0], [*reversed(found)] * 10))
    assert colors == [6, 5, 4, 3, 2, 1, 0] * 10
    assert not is_one(path)
    assert len(list(images_in(f"{tmp_path}/*.parquet"))) == 7


def test_images_of_the_library_datasets_are_named_by_their_paths(tmp_path):
    images = [{"bytes": content, "path": f"in/{name}"} for content, name in zip(IMAGES, NAMES, strict=True)]
    path = table_of(tmp_path / "a.parquet", image=images, label=[0] * 7)
    found = list(images_in(path))
    assert [source.name for source in found] == [f"{path}/in/{name}" for name in NAMES]
    assert found[1].relative_path == PurePath("a.parquet/in/1.png")
    assert reds(found) == list(range(7))


@pytest.mark.parametrize(
    "bad", ["0.png", "../1.png", "/etc/1.png", "C:/1.png", "a\\1.png", "", None, "n" * 2000, "a\0b"]
)
def test_paths_that_repeat_or_lead_outside_name_no_image(tmp_path, bad):
    path = table_of(tmp_path / "a.parquet", image=IMAGES[:3], path=["0.png", bad, "2.png"])
    found = list(images_in(path))
    assert [source.name for source in found] == [f"{path}#row={number}" for number in range(3)]
    assert reds(found) == [0, 1, 2]


def test_rows_that_are_paths_are_files_beside_the_table(tmp_path):
    (tmp_path / "sub").mkdir()
    for name, content in zip(["sub/a.png", "b.png"], IMAGES, strict=False):
        (tmp_path / name).write_bytes(content)
    paths = ["sub/a.png", str(tmp_path / "b.png"), None, "gone.png", "s3://bucket/a.png"]
    path = table_of(tmp_path / "a.parquet", file_name=paths, label=[0] * 5)
    first, second, empty, gone, address = images_in(path)
    assert first.name == str(tmp_path / "sub/a.png")
    assert first.relative_path == PurePath("sub/a.png")
    assert reds([first, second]) == [0, 1]
    assert "a.parquet#row=2: has no path" in str(error_of(empty))
    assert "gone.png: cannot be read" in str(error_of(gone))
    assert isinstance(error_of(address), ImageError)


def test_a_row_without_an_image_fails_alone(tmp_path):
    path = table_of(tmp_path / "a.parquet", image=[IMAGES[0], None, b"nothing", IMAGES[3]])
    first, empty, damaged, last = images_in(path)
    assert reds([first, last]) == [0, 3]
    assert str(error_of(empty)) == f"{path}#row=1: has no image"
    assert "#row=2: its format cannot be identified" in str(error_of(damaged))


def test_a_table_without_images_names_its_columns(tmp_path):
    path = table_of(tmp_path / "a.parquet", id=[1], text=["a"])
    with pytest.raises(
        UsageError, match=r"has the columns \['id', 'text'\], none of which holds images .*image or bytes"
    ):
        Listing([str(path)])
    with pytest.raises(UsageError, match="has no rows"):
        Listing([str(table_of(tmp_path / "b.parquet", image=arrow.array([], arrow.binary())))])


def test_damaged_files_are_refused(tmp_path):
    path = table_of(tmp_path / "a.parquet", image=[content + bytes(5000) for content in IMAGES], rows=7)
    content = path.read_bytes()
    path.write_bytes(content[:-100])
    with pytest.raises(UsageError, match=r"a\.parquet: cannot be read as Parquet"):
        Listing([str(path)])
    broken = bytearray(content)
    broken[4:60] = b"\xff" * 56  # the head of the first page
    path.write_bytes(broken)
    first, *_ = images_in(path)
    assert isinstance(error_of(first), DataError)
    assert "a.parquet" in str(error_of(first))


def test_memory_does_not_grow_with_a_row_group(tmp_path, monkeypatch):
    monkeypatch.setattr(image_table, "_KEPT_BYTES", 3 * len(IMAGES[0]))
    path = table_of(tmp_path / "a.parquet", image=IMAGES * 20, rows=140)
    found = list(images_in(path))
    started, real = [], image_table.ImageTable._values_of
    monkeypatch.setattr(image_table.ImageTable, "_values_of", lambda *args: (started.append(1), real(*args))[1])
    assert reds(found) == [*range(7)] * 20
    assert len(started) == 1, "rows in order are read in one go"
    assert len(found[0].content._table._window) <= 3
    assert reds([found[4], found[139]]) == [4, 6]
    monkeypatch.setattr(parquet_rows, "MOST_BYTES", 10)
    assert "bytes, more than 10" in str(error_of(found[0]))


def test_a_table_in_storage(tmp_path):
    stream = io.BytesIO()
    parquet.write_table(arrow.table({"image": IMAGES}), stream)
    system = fsspec.filesystem("memory")
    system.pipe("/tables/a.parquet", stream.getvalue())
    system.pipe("/tables/b.parquet", b"PAR1 nothing")
    found = list(images_in("memory://tables/a.parquet"))
    assert found[2].name == "memory://tables/a.parquet#row=2"
    assert reds(found) == list(range(7))
    *found, broken = images_in("memory://tables/*.parquet")
    assert reds(found) == list(range(7))
    assert "b.parquet: cannot be read as Parquet" in str(error_of(broken))


def test_without_the_library_the_extra_is_named(tmp_path, monkeypatch):
    path = table_of(tmp_path / "a.parquet", image=IMAGES)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(MissingExtraError, match=r"a Parquet file needs pyarrow.*condetr\[parquet\]"):
        Listing([str(path)])


def test_parquet_files_in_a_folder_are_logged(tmp_path, caplog):
    table_of(tmp_path / "a.parquet", image=IMAGES)
    (tmp_path / "a.png").write_bytes(IMAGES[0])
    assert len(list(images_in(tmp_path))) == 1
    assert "a.parquet: skipped: archives, Parquet files and videos in a folder are not read" in caplog.text
