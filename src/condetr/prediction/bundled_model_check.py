"""The bundled model detects handwritten digits; without --model, other images are refused."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from PIL import Image

from condetr.bundled import DIGITS
from condetr.core.errors import CondetrError, UsageError
from condetr.images.image_inputs import pil_of
from condetr.images.resize import UprightImage
from condetr.prediction.sources import ImageSource

_LONGEST = 512  # pixels per side of the demo's images, enlarged ones included
_CELLS = 32  # per side; the image is reduced to them
_LIGHT = (175, 250)  # level of photographed paper; cut-out catalog images have 255
_GREY = 60  # largest difference between the channels of paper
_EVEN, _SHARE = 28, 0.3  # this share of the cells is within this many levels of the median
_SAMPLE = 8  # images of a run that are checked


def shows_paper(image: UprightImage) -> bool:
    """Whether the image resembles those of ``condetr data demo``: small, square, light paper with marks on it."""
    pil = pil_of(image)
    if pil.width != pil.height or pil.width > _LONGEST:
        return False
    cells = np.asarray(pil.resize((_CELLS, _CELLS), Image.Resampling.BOX), dtype=np.float32).reshape(-1, 3)
    paper = np.median(cells, axis=0)
    is_light = _LIGHT[0] <= paper.mean() <= _LIGHT[1] and np.ptp(paper) <= _GREY
    return bool(is_light and (np.abs(cells - paper).max(axis=1) < _EVEN).mean() >= _SHARE)


def check_handwriting(sources: Sequence[ImageSource], *, option: str) -> None:
    """Refuse to run the bundled model on images unlike the demo's, judging by a sample.

    Args:
        sources: all images of the run.
        option: how to choose a model, such as "--model {}".

    Raises:
        UsageError: most images differ, or no image of the sample can be read; the hint names other models.
    """
    paper_count, others = 0, []
    step = max(1, len(sources) // _SAMPLE)
    for source in sources[::step][:_SAMPLE]:
        try:
            image = source.image()
        except CondetrError:  # the run reports it
            continue
        if shows_paper(image):
            paper_count += 1
        else:
            others.append(source.name)
    if paper_count <= len(others):
        raise ask_for_model(others[0] if others else None, option)


def checked_for_handwriting(sources: Iterable[ImageSource], *, option: str) -> Iterator[ImageSource]:
    """The same images; refused if the first readable one is unlike the demo's; see `check_handwriting`."""
    checked = False
    for source in sources:
        if not checked:
            try:
                source.image()
            except CondetrError:  # prediction reports it
                pass
            else:
                check_handwriting([source], option=option)
                checked = True
        yield source


def ask_for_model(source: object, option: str) -> UsageError:
    reason = "no model was given, and the bundled one only detects handwritten digits"
    examples = (
        ("microsoft/conditional-detr-resnet-50", "everyday objects"),
        ("runs/mine", "a model of your own training"),
        (DIGITS, "digits"),
    )
    hint = ", ".join(f"{option.format(model)} for {what}" for model, what in examples)
    return UsageError(reason, source=source, item="model", hint=hint)
