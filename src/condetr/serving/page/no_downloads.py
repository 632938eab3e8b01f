"""gradio without its downloads: no component or handler fetches a URL that a visitor sends."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import gradio as gr
from gradio import processing_utils

from condetr.core.errors import UsageError

_DOWNLOADS = ("save_url_to_cache", "async_ssrf_protected_download")


@contextmanager
def no_downloads() -> Iterator[None]:
    """Refuse requests that have a URL in the place of a file.

    This is done here and not in a component: gradio takes files for every component, sliders too, and makes
    components anew for a visitor whenever a handler gives them properties, as ``gr.Examples`` does.

    Raises:
        UsageError: this gradio downloads with other functions.
    """
    missing = [name for name in _DOWNLOADS if not hasattr(processing_utils, name)]
    if missing:
        reason = f"is {gr.__version__}, whose downloads cannot be turned off: no processing_utils.{missing[0]}"
        raise UsageError(reason, item="gradio", hint='pip install "gradio<7"')
    with ExitStack() as afterwards:
        for name in _DOWNLOADS:
            afterwards.callback(setattr, processing_utils, name, getattr(processing_utils, name))
            setattr(processing_utils, name, _refuse)
        yield


def _refuse(*_: Any, **__: Any) -> Any:
    raise gr.Error("URL input is disabled: send the image itself")
