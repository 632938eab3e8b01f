"""gradio without its downloads: what a visitor names is not fetched, by whatever component and handler."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import gradio as gr
from gradio import processing_utils

_DOWNLOADS = ("save_url_to_cache", "async_ssrf_protected_download")


@contextmanager
def no_downloads() -> Iterator[None]:
    """While this lasts a request that names an address in the place of a file is refused.

    The door is closed here, and not in a component: gradio takes files for every component, sliders too, and makes
    components anew for a visitor whenever a handler gives them properties, as ``gr.Examples`` does.
    """
    with ExitStack() as afterwards:
        for name in _DOWNLOADS:
            afterwards.callback(setattr, processing_utils, name, getattr(processing_utils, name))
            setattr(processing_utils, name, _refuse)
        yield


def _refuse(*_: Any, **__: Any) -> Any:
    raise gr.Error("URL input is disabled: send the image itself")
