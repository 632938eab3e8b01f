import pickle

import pytest

from condetr.core.errors import CheckpointError, ImageError, MissingExtraError, SettingsError, StorageError


def test_a_copy_names_where_the_error_was_found_and_keeps_the_rest():
    error = StorageError("cannot be read", source="tensor", item="rows", hint="free space")
    copy = error.at(source="file.bin")
    assert type(copy) is StorageError
    assert str(copy) == "file.bin: rows: cannot be read (free space)"
    assert copy.at(item="columns").to_dict() == error.to_dict() | {"source": "file.bin", "item": "columns"}
    assert str(error) == "tensor: rows: cannot be read (free space)"


def test_a_copy_may_be_of_another_kind():
    copy = SettingsError("is 3, expected 4", item="d_model").at(source="config.json", kind=CheckpointError)
    assert type(copy) is CheckpointError
    assert str(copy) == "config.json: d_model: is 3, expected 4"


def test_an_error_with_a_constructor_of_its_own_can_be_copied():
    error = MissingExtraError("av", "video", "reading videos")
    assert error.at(source="a.mp4").to_dict() == error.to_dict() | {"source": "a.mp4"}


@pytest.mark.parametrize(
    "error",
    [
        ImageError("is damaged", source="a.png", hint="replace it"),
        StorageError("cannot be read", item="rows"),
        MissingExtraError("av", "video", "reading videos"),
    ],
)
def test_an_error_of_another_process_arrives_whole(error):
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert arrived.to_dict() == error.to_dict()
