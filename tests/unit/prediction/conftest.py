import pytest

from tests.tiny import tiny_detector


@pytest.fixture(scope="session")
def detector():
    return tiny_detector()
