from condetr.workflows.search_space import SEARCHED, first_guess, searchable, suggest

BASE = {"lr": 4e-4, "lr_backbone": 1e-4, "batch": 4, "image_size": 240, "max_size": 400}
BASE |= {"augment": "strong", "ema": "auto"}


class Fixed:
    """A trial with these parameters."""

    def __init__(self, **parameters):
        self.parameters, self.asked = parameters, {}

    def suggest_float(self, name, low, high, *, log=False):
        assert low <= self.parameters[name] <= high
        assert log
        return self.parameters[name]

    def suggest_categorical(self, name, choices):
        assert self.parameters[name] in choices
        return self.parameters[name]


def test_the_first_trial_has_the_defaults():
    assert suggest(Fixed(**first_guess(SEARCHED, BASE)), SEARCHED, BASE) == BASE


def test_factors_fit_any_default():
    trial = Fixed(lr_factor=2.0, batch_factor=0.5, image_size_factor=1.5)
    assert suggest(trial, ("lr", "batch", "image_size"), BASE) == {
        "lr": 8e-4,
        "batch": 2,
        "image_size": 360,
        "max_size": 600,
    }
    assert suggest(Fixed(batch_factor=0.5), ("batch",), {"batch": 1}) == {"batch": 1}


def test_what_the_user_named_or_nothing_can_vary_is_not_searched():
    assert searchable(SEARCHED, BASE, {"lr": 1e-4, "augment": "none"}) == ("lr_backbone", "batch", "image_size", "ema")
    fixed = BASE | {"lr_backbone": 0.0, "batch": "auto", "image_size": None, "augment": ({"Resize": {"size": 9}},)}
    assert searchable(SEARCHED, fixed, {}) == ("lr", "ema")
