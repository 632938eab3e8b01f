import pytest


@pytest.fixture(scope="module")
def service():
    """One service for the tests of a file that leave it as it was."""
    from tests.unit.serving.served import serving

    with serving() as served:
        yield served
