import numpy as np
import pytest
from PIL import Image

from condetr.core.errors import UsageError
from condetr.data.demo.scenes import scene
from condetr.prediction.bundled_model_check import check_handwriting, checked_for_handwriting, shows_paper
from condetr.prediction.sources import images_in


def photograph(size=(96, 96)):
    coarse = np.random.default_rng(1).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


@pytest.mark.slow
@pytest.mark.parametrize("side", [64, 96, 256])
def test_images_of_the_demo_are_recognized_also_enlarged(side):
    for number in range(40):
        image = scene(number, split="val", side=side).image
        assert shows_paper(image)
        assert shows_paper(image.resize((384, 384), Image.Resampling.BICUBIC))


@pytest.mark.parametrize(
    "image",
    [
        photograph(), photograph((128, 96)), Image.new("RGB", (96, 96), "white"), Image.new("RGB", (96, 96), "black"),
        Image.new("RGB", (96, 96), (250, 190, 160)), scene(0).image.resize((96, 128)),
        scene(0).image.resize((640, 640)),
    ],
)  # fmt: skip
def test_other_images_are_not(image):
    assert not shows_paper(image)


def test_a_sample_decides(tmp_path):
    for number in range(20):
        (scene(number).image if number % 5 else photograph()).save(tmp_path / f"{number:02}.png")
    check_handwriting(list(images_in(tmp_path)), option="--model {}")
    for number in range(0, 20, 2):
        photograph().save(tmp_path / f"{number:02}.png")
    with pytest.raises(
        UsageError, match=r"00\.png: model: no model was given, .* \(--model microsoft/conditional-detr"
    ):
        check_handwriting(list(images_in(tmp_path)), option="--model {}")
    with pytest.raises(UsageError, match="no model was given"):
        check_handwriting(list(images_in([tmp_path / "gone.png"])), option="--model {}")


def test_the_first_readable_image_of_a_stream_decides(tmp_path):
    (tmp_path / "0.png").touch()
    scene(0).image.save(tmp_path / "1.png")
    photograph().save(tmp_path / "2.png")
    assert len(list(checked_for_handwriting(images_in(tmp_path), option="x"))) == 3
    (tmp_path / "1.png").unlink()
    with pytest.raises(UsageError, match=r"2\.png"):
        list(checked_for_handwriting(images_in(tmp_path), option="x"))
