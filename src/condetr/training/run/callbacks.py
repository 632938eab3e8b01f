"""Callbacks: code of the user that hears the events of a training run, and may end it.

A callback is a function of one event, or an object with a method for each kind of event that it wants to hear:
``on_evaluated(event)`` for `Evaluated`, ``on_stepped(event)`` for `Stepped`, and so on. Raising `StopTraining` ends the
run after the current step, with everything saved. Of several processes the first one calls them.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, get_args

from condetr.core.errors import UsageError, first_line_of
from condetr.training.run.events import Event, EventHandler, ImageChecked

Callback: TypeAlias = Callable[[Event], None] | object


class StopTraining(Exception):  # noqa: N818  a request, like StopIteration
    """Raised by a callback to end the run; its text is the reason."""


class CallbackError(UsageError):
    """A callback raised something else than `StopTraining`."""


def _method_of(event: type) -> str:
    return "on" + re.sub(r"(?=[A-Z])", "_", event.__name__).lower()


METHODS = tuple(_method_of(event) for event in get_args(Event) if event is not ImageChecked)  # it precedes training


class Callbacks:
    """An event handler that passes events on to another one, and then to callbacks in their order.

    Attributes:
        stop_reason: set as soon as one of them asks to end the run.
    """

    def __init__(self, callbacks: Sequence[Callback], say: EventHandler) -> None:
        """Raises UsageError for what is no callback."""
        check_callbacks(callbacks)
        self._callbacks, self._say = tuple(callbacks), say
        self.stop_reason: str | None = None

    def __call__(self, event: Event) -> None:
        """Raises CallbackError where a callback fails; none is called any more."""
        self._say(event)
        for callback in self._callbacks:
            handle = callback if callable(callback) else getattr(callback, _method_of(type(event)), None)
            if handle is not None:
                self._call(handle, event, _name_of(callback))

    def _call(self, handle: Callable[[Event], Any], event: Event, name: str) -> None:
        try:
            handle(event)
        except StopTraining as stop:
            if self.stop_reason is None:
                self.stop_reason = f"callback {name} ends the run" + (f": {stop}" if str(stop) else "")
        except Exception as error:  # code of the user
            self._callbacks = ()
            reason = f"failed on {type(event).__name__}: {type(error).__name__}: {first_line_of(error)}"
            raise CallbackError(reason, item=f"callback {name}", hint="--resume continues the run") from error


def check_callbacks(callbacks: Sequence[Callback]) -> None:
    """Raises UsageError for what is no callback, or has a method for an event that there is not."""
    for callback in callbacks:
        if callable(callback) and not isinstance(callback, type):
            continue
        methods = [name for name in dir(callback) if name.startswith("on_")]
        strays = [name for name in methods if name not in METHODS]
        item = f"callback {_name_of(callback)}"
        if isinstance(callback, type):
            raise UsageError("is a class, expected one of its objects", item=item)
        if strays:
            nearest = difflib.get_close_matches(strays[0], METHODS, n=1, cutoff=0.0)[0]
            raise UsageError(
                f"has a method {strays[0]}, but there is no such event", item=item, hint=f"the nearest: {nearest}"
            )
        if not methods:
            reason = f"is no function, and has none of the methods {', '.join(METHODS)}"
            raise UsageError(reason, item=item)


def _name_of(callback: Callback) -> str:
    return getattr(callback, "__qualname__", None) or type(callback).__qualname__
