"""The model that comes along finds handwritten digits; who gives no model, and has other images, is asked for one."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from PIL import Image

from condetr.bundled import DIGITS
from condetr.core.errors import CondetrError, UsageError
from condetr.images.image_inputs import pil_of
from condetr.images.resize import UprightImage
from condetr.prediction.sources import ImageSource

_LONGEST = 512  # pixels a side of the demo's images, enlarged ones included
_CELLS = 32  # a side, of which the image is looked at
_LIGHT = (175, 250)  # level of paper under a lamp; what is cut out for a catalogue stands on 255
_GREY = 60  # levels between its channels, at most
_EVEN, _SHARE = 28, 0.3  # this share of the cells differs by less than so many levels from the middle one
_LOOKED_AT = 8  # images of a run


def shows_paper(image: UprightImage) -> bool:
    """Whether it looks as the images of ``condetr data demo`` do: small, square, light paper with marks on it."""
    pil = pil_of(image)
    if pil.width != pil.height or pil.width > _LONGEST:
        return False
    cells = np.asarray(pil.resize((_CELLS, _CELLS), Image.Resampling.BOX), dtype=np.float32).reshape(-1, 3)
    paper = np.median(cells, axis=0)
    is_light = _LIGHT[0] <= paper.mean() <= _LIGHT[1] and np.ptp(paper) <= _GREY
    return bool(is_light and (np.abs(cells - paper).max(axis=1) < _EVEN).mean() >= _SHARE)


def check_handwriting(sources: Sequence[ImageSource], *, option: str) -> None:
    """Refuse a run of the model that comes along on other images than the demo's, from a sample of them.

    Args:
        sources: all images of the run.
        option: how a model is chosen: "--model {}", say.

    Raises:
        UsageError: most are of something else, or none of the sample can be read; it asks for a model.
    """
    papers, others = 0, []
    step = max(1, len(sources) // _LOOKED_AT)
    for source in sources[::step][:_LOOKED_AT]:
        try:
            image = source.image()
        except CondetrError:  # the run lists it
            continue
        if shows_paper(image):
            papers += 1
        else:
            others.append(source.name)
    if papers <= len(others):
        raise ask_for_model(others[0] if others else None, option)


def checked_for_handwriting(sources: Iterable[ImageSource], *, option: str) -> Iterator[ImageSource]:
    """The same images; the first of them that can be read decides."""
    decided = False
    for source in sources:
        if not decided:
            try:
                source.image()
            except CondetrError:  # whoever predicts on it refuses it
                pass
            else:
                check_handwriting([source], option=option)
                decided = True
        yield source


def ask_for_model(source: object, option: str) -> UsageError:
    reason = "no model was given, and the one that comes with condetr only finds handwritten digits"
    examples = (
        ("microsoft/conditional-detr-resnet-50", "everyday objects"),
        ("runs/mine", "what a run of yours has learned"),
        (DIGITS, "digits"),
    )
    hint = ", ".join(f"{option.format(model)} for {what}" for model, what in examples)
    return UsageError(reason, source=source, item="model", hint=hint)
