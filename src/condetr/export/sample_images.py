"""Real pictures to compare graphs on and to calibrate with: somebody's, or those that come with condetr."""

from typing import NamedTuple

from condetr.core.errors import CondetrError, UsageError
from condetr.data.demo.scenes import scene
from condetr.images.resize import Picture
from condetr.prediction.sources import pictures_in

OWN = "scenes of handwriting that come with condetr"


class Pictures(NamedTuple):
    """Upright RGB pictures and what they are called."""

    pictures: list[Picture]
    names: list[str]


def pictures_to_look_at(given: object, most: int) -> Pictures:
    """The first ``most`` pictures of ``given``; damaged ones are passed over.

    Args:
        given: anything that `pictures_in` takes; None for scenes of handwriting in several proportions.
        most: how many are enough.

    Raises:
        UsageError: there is none.
    """
    if given is None:
        crops = [(0, 0, 96, 96 - 16 * (number % 3)) for number in range(most)]
        own: list[Picture] = [scene(number, split="val").picture.crop(crop) for number, crop in enumerate(crops)]
        return Pictures(own, [OWN])
    found = Pictures([], [])
    for source in pictures_in(given):
        try:
            picture = source.picture()
        except CondetrError:
            if isinstance(source.content, UsageError):  # what was pointed at is not there
                raise
            continue
        found.pictures.append(picture)
        found.names.append(source.name)
        if len(found.pictures) == most:
            break
    if not found.pictures:
        raise UsageError("there is no picture that can be read", item="pictures")
    return found
