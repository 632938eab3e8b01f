import pytest
from PIL import Image

from condetr.core.errors import UsageError
from condetr.prediction.input import listing
from condetr.prediction.input.listing import Listing
from condetr.prediction.sharding.shard import Shard


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "in/sub").mkdir(parents=True)
    for number in range(8):
        Image.new("RGB", (4, 4)).save(tmp_path / f"in/{number}.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "in/sub/8.png")
    return tmp_path / "in"


@pytest.fixture
def few_first(monkeypatch):
    monkeypatch.setattr(listing, "FIRST", 3)


def names(images):
    return [image.name.rpartition("/")[2] for image in images]


EVERY = [f"{number}.png" for number in range(9)]


def test_few_images_are_listed_before_the_run_begins(folder):
    found = Listing([str(folder)])
    assert names(found.first) == names(found.all_ours) == names(found) == EVERY
    assert found.listed == 9


def test_many_images_are_listed_while_the_first_are_predicted(folder, few_first):
    found = Listing([str(folder)])
    assert names(found.first) == EVERY[:3]
    assert found.all_ours is None
    images = iter(found)
    assert names([next(images) for _ in range(4)]) == EVERY[:4]
    assert names(images) == EVERY[4:]


def test_shards_yield_each_image_once_with_its_position(folder, few_first):
    parts = [Listing([str(folder)], shard=Shard(number, 3)) for number in (1, 2, 3)]
    found = [(image.position, image.name.rpartition("/")[2]) for part in parts for image in part]
    assert sorted(found) == list(enumerate(EVERY))
    assert [part.listed for part in parts] == [9, 9, 9]
    assert len({part.digest for part in parts}) == 1
    (folder / "5.png").unlink()
    other = Listing([str(folder)], shard=Shard(1, 3))
    list(other)
    assert other.digest != parts[0].digest


def test_an_image_that_is_named_again_is_listed_once(folder, few_first):
    found = Listing([str(folder), str(folder / "2.png"), f"{folder}/sub/../7.png"])
    assert names(found) == EVERY
    assert found.repeated == 2


def test_a_source_that_does_not_exist_is_refused_at_once(folder, few_first):
    with pytest.raises(UsageError, match=r"gone\.png"):
        Listing([str(folder), str(folder / "gone.png")])
    with pytest.raises(UsageError, match=r"gone\.png"):
        Listing([str(folder / "gone.png"), str(folder)])


def test_an_output_that_is_made_meanwhile_is_not_listed(folder, few_first):
    found = Listing([str(folder)], apart_from=folder / "out")
    (folder / "out").mkdir()
    Image.new("RGB", (4, 4)).save(folder / "out/x.png")
    assert names(found) == EVERY


def test_an_image_in_the_output_is_refused_wherever_it_is_listed(folder, tmp_path, few_first):
    (tmp_path / "list.txt").write_text("".join(f"in/{name}\n" for name in [*EVERY[:8], "sub/8.png"]))
    found = Listing([str(tmp_path / "list.txt")], apart_from=folder / "sub")
    with pytest.raises(UsageError, match="is the folder of the input, or contains it"):
        list(found)
