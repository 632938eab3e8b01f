"""Real images to compare graphs on and to calibrate with: somebody's, or those that come with condetr."""

from typing import NamedTuple

from condetr.core.errors import CondetrError, UsageError
from condetr.data.demo.scenes import scene
from condetr.images.resize import UprightImage
from condetr.prediction.sources import images_in

OWN = "scenes of handwriting that come with condetr"


class SampleImages(NamedTuple):
    """Upright RGB images and what they are called."""

    images: list[UprightImage]
    names: list[str]


def images_to_look_at(given: object, most: int) -> SampleImages:
    """The first ``most`` images of ``given``; damaged ones are passed over.

    Args:
        given: anything that `pictures_in` takes; None for scenes of handwriting in several proportions.
        most: how many are enough.

    Raises:
        UsageError: there is none.
    """
    if given is None:
        crops = [(0, 0, 96, 96 - 16 * (number % 3)) for number in range(most)]
        own: list[UprightImage] = [scene(number, split="val").image.crop(crop) for number, crop in enumerate(crops)]
        return SampleImages(own, [OWN])
    found = SampleImages([], [])
    for source in images_in(given):
        try:
            image = source.image()
        except CondetrError:
            if isinstance(source.content, UsageError):  # what was pointed at is not there
                raise
            continue
        found.images.append(image)
        found.names.append(source.name)
        if len(found.images) == most:
            break
    if not found.images:
        raise UsageError("there is no image that can be read", item="pictures")
    return found
