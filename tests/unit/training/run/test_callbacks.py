import pytest

from condetr.core.errors import UsageError
from condetr.training.run.callbacks import METHODS, CallbackError, Callbacks, StopTraining, check_callbacks
from condetr.training.run.events import Noted, Stepped

STEPPED, NOTED = Stepped(3, 0.5, 1.25, 0.1), Noted("x")


class Listener:
    def __init__(self):
        self.heard = []

    def on_stepped(self, event):
        self.heard.append(event.step)

    def on_backbone_pretrained(self, event):
        self.heard.append("pretrained")


def test_functions_hear_every_event_and_objects_those_that_they_have_methods_for():
    said, heard, listener = [], [], Listener()
    pass_on = Callbacks([heard.append, listener], said.append)
    for event in (STEPPED, NOTED, STEPPED):
        pass_on(event)
    assert said == heard == [STEPPED, NOTED, STEPPED]
    assert listener.heard == [3, 3]
    assert pass_on.stop_reason is None


def test_methods_are_named_by_the_events():
    assert set(METHODS) >= {"on_started", "on_stepped", "on_evaluated", "on_saved", "on_backbone_pretrained"}


@pytest.mark.parametrize(("text", "expected"), [("ap is enough", ": ap is enough"), ("", "")])
def test_a_callback_may_end_the_run(text, expected):
    def enough(event):
        raise StopTraining(text)

    heard = []
    pass_on = Callbacks([enough, heard.append], lambda event: None)
    pass_on(STEPPED)
    assert pass_on.stop_reason.endswith(f"enough ends the run{expected}")
    assert heard == [STEPPED], "the others hear the event, too"


def test_a_failing_callback_is_named_and_called_no_more():
    class Plotter:
        calls = 0

        def on_stepped(self, event):
            self.calls += 1
            raise ZeroDivisionError("division by zero")

    plotter = Plotter()
    pass_on = Callbacks([plotter], lambda event: None)
    with pytest.raises(CallbackError, match=r"Plotter: failed on Stepped: ZeroDivisionError: division by zero"):
        pass_on(STEPPED)
    pass_on(STEPPED)
    assert plotter.calls == 1


class Misspelled:
    def on_evaluate(self, event):
        pass


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        (Misspelled(), "Misspelled: has a method on_evaluate, .*nearest: on_evaluat"),
        (object(), "object: is no function, and has none of the methods on_started"),
        (Listener, "Listener: is a class"),
        ("print", "str: is no function"),
    ],
    ids=["misspelled", "object", "class", "text"],
)
def test_what_can_hear_nothing_is_refused(callback, expected):
    with pytest.raises(UsageError, match=expected):
        check_callbacks([callback])
