"""Real images for verification and calibration: given ones, or bundled handwriting scenes."""

from typing import NamedTuple

from condetr.core.errors import CondetrError, UsageError
from condetr.data.demo.scenes import scene
from condetr.images.resize import UprightImage
from condetr.prediction.sources import images_in

OWN = "scenes of handwriting that come with condetr"


class SampleImages(NamedTuple):
    """Upright RGB images and their names."""

    images: list[UprightImage]
    names: list[str]


def sample_images(source: object, most: int) -> SampleImages:
    """The first ``most`` images of ``source``; damaged ones are skipped.

    Args:
        source: anything that `images_in` takes; None for handwriting scenes in several proportions.
        most: images, at most.

    Raises:
        UsageError: there is none.
    """
    if source is None:
        crops = [(0, 0, 96, 96 - 16 * (number % 3)) for number in range(most)]
        own: list[UprightImage] = [scene(number, split="val").image.crop(crop) for number, crop in enumerate(crops)]
        return SampleImages(own, [OWN])
    samples = SampleImages([], [])
    for item in images_in(source):
        try:
            image = item.image()
        except CondetrError:
            if isinstance(item.content, UsageError):  # it does not exist
                raise
            continue
        samples.images.append(image)
        samples.names.append(item.name)
        if len(samples.images) == most:
            break
    if not samples.images:
        raise UsageError("no image can be read", item="pictures")
    return samples
