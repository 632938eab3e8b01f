import pytest

from condetr.core.errors import UsageError
from condetr.core.launcher import is_first_process, process_count, process_rank


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch.setenv


def test_the_launcher_says_who_is_first(environment):
    assert (process_count(), process_rank(), is_first_process()) == (1, 0, True)
    environment("WORLD_SIZE", "2")
    environment("RANK", "1")
    assert (process_count(), process_rank(), is_first_process()) == (2, 1, False)


def test_a_rank_without_others_means_nothing(environment):
    """A process alone that takes itself for the second one writes nothing."""
    environment("RANK", "1")
    assert is_first_process()
    environment("WORLD_SIZE", "1")
    assert is_first_process()


@pytest.mark.parametrize("text", ["two", "-1", "1.5"])
def test_what_is_no_number_is_refused_in_words(environment, text):
    environment("WORLD_SIZE", text)
    with pytest.raises(UsageError, match=f"environment: WORLD_SIZE: is '{text}', expected a whole number"):
        process_count()
