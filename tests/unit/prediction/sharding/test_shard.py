from pathlib import PurePath

import pytest

from condetr.core.errors import SettingsError, UsageError
from condetr.prediction.sharding.shard import Shard, shard_of
from condetr.prediction.sources import ImageSource, images_in


def source(name, relative=None):
    return ImageSource(name, PurePath(relative or name), name)


def test_each_image_is_in_one_shard_wherever_its_folder_is():
    shards = [Shard(number, 5) for number in range(1, 6)]
    sizes = [0] * 5
    for number in range(1000):
        here, there = (source(f"{root}/sub/{number}.jpg", f"sub/{number}.jpg") for root in ("/data", "/mnt/data"))
        owners = [shard.has(here) for shard in shards]
        assert owners == [shard.has(there) for shard in shards]
        assert sum(owners) == 1
        sizes[owners.index(True)] += 1
    assert min(sizes) > 150, "five parts of a thousand"


def test_images_whose_results_share_a_name_share_a_shard():
    for number in range(50):
        first, other = source(f"{number}a.jpg"), source(f"{number}A.png")
        assert [Shard(n, 7).has(first) for n in range(1, 8)] == [Shard(n, 7).has(other) for n in range(1, 8)]


def test_a_shard_of_names_that_are_not_text(tmp_path):
    assert Shard(1, 1).has(source("a\udcff.png"))
    assert [Shard(1, 1).has(image) for image in images_in(str(tmp_path / "gone.png"))] == [True]


@pytest.mark.parametrize("text", ["", "2", "0/4", "5/4", "a/b", "1/0", "-1/4", "1/4/2", "1/99999999999", "²/4"])
def test_other_text_is_refused(text):
    with pytest.raises(SettingsError, match=r"shard: is .*, expected"):
        shard_of(text)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"RANK": "0", "WORLD_SIZE": "4"}, (1, 4)),
        ({"RANK": "3", "WORLD_SIZE": "4", "SLURM_ARRAY_TASK_ID": "9"}, (4, 4)),
        ({"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_MIN": "0"}, (3, 8)),
        ({"SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_COUNT": "8", "SLURM_ARRAY_TASK_MIN": "1"}, (8, 8)),
        (
            {
                "SLURM_ARRAY_TASK_ID": "14",
                "SLURM_ARRAY_TASK_COUNT": "3",
                "SLURM_ARRAY_TASK_MIN": "10",
                "SLURM_ARRAY_TASK_STEP": "2",
            },
            (3, 3),
        ),
    ],
)
def test_auto_is_the_number_that_a_launcher_gave(environment, expected):
    shard = shard_of("auto", environment)
    assert (shard.number, shard.count) == expected


def test_auto_without_a_launcher_is_refused():
    with pytest.raises(UsageError, match=r"neither RANK and WORLD_SIZE nor SLURM_ARRAY_TASK_ID .*--shard NUMBER/COUNT"):
        shard_of("auto", {})
    with pytest.raises(UsageError, match="environment: RANK: is '', expected a whole number"):
        shard_of("auto", {"WORLD_SIZE": "4"})
    gaps = {"SLURM_ARRAY_TASK_ID": "7", "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "0"}
    with pytest.raises(SettingsError, match="from 1 to the count"):
        shard_of("auto", gaps)
