from condetr.model.activation import FUNCTIONS
from condetr.model.config import ACTIVATIONS


def test_every_name_of_a_config_has_a_function():
    assert tuple(FUNCTIONS) == ACTIVATIONS
