import pytest

from condetr.core.errors import UsageError
from condetr.core.launcher import is_first_process, process_count, process_rank


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in ("WORLD_SIZE", "RANK"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch.setenv


def test_the_first_process_has_rank_0(environment):
    assert (process_count(), process_rank(), is_first_process()) == (1, 0, True)
    environment("WORLD_SIZE", "2")
    environment("RANK", "1")
    assert (process_count(), process_rank(), is_first_process()) == (2, 1, False)


def test_a_rank_without_others_means_nothing(environment):
    """A single process that took itself for the second one would write nothing."""
    environment("RANK", "1")
    assert is_first_process()
    environment("WORLD_SIZE", "1")
    assert is_first_process()


@pytest.mark.parametrize("text", ["two", "-1", "1.5"])
def test_a_value_that_is_not_a_number_is_refused(environment, text):
    environment("WORLD_SIZE", text)
    with pytest.raises(UsageError, match=f"environment: WORLD_SIZE: is '{text}', expected a whole number"):
        process_count()
