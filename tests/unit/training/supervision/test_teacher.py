import pytest
import torch

from condetr.checkpoints.saving import save
from condetr.core.errors import SettingsError
from condetr.images.preprocessing import Preprocessing
from condetr.training.supervision.teacher import load_teacher
from tests.tiny import LABELS, tiny_detector, tiny_segmenter

OURS = Preprocessing()
CPU = torch.device("cpu")


def stored(folder, detector, preprocessing=OURS):
    save(folder, detector, LABELS, preprocessing=preprocessing.to_dict())
    return str(folder)


def batch():
    mask = torch.ones(2, 48, 64, dtype=torch.bool)
    mask[1, :, 40:] = False
    return torch.randn(2, 3, 48, 64) * mask[:, None], mask


@pytest.mark.parametrize("network", [tiny_detector, tiny_segmenter])
def test_it_predicts_the_classes_of_the_student_by_their_names(tmp_path, network):
    detector = network()
    teacher = load_teacher(stored(tmp_path, detector), ["bird", "cat"], OURS, CPU)
    pixels, mask = batch()
    logits, boxes = teacher.predict(pixels, mask)
    with torch.no_grad():
        expected = detector(pixels, mask)
    torch.testing.assert_close(logits, expected.logits[..., [2, 0]], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(boxes, expected.boxes, rtol=1e-4, atol=1e-4)
    assert not logits.requires_grad
    assert teacher.notes[0] == f"teacher: {tmp_path}"
    assert torch.equal(teacher.queries, detector.body.decoder.object_queries)


@pytest.mark.parametrize(
    "theirs",
    [Preprocessing(image_mean=(0.5, 0.4, 0.3), image_std=(0.5, 0.25, 0.2)), Preprocessing(do_normalize=False)],
    ids=["other mean and std", "not normalized"],
)
def test_images_are_normalized_as_it_learned_them_and_padding_stays_zero(tmp_path, theirs):
    detector = tiny_detector()
    teacher = load_teacher(stored(tmp_path, detector, theirs), list(LABELS.values()), OURS, CPU)
    images = [torch.randint(256, (3, 48, width), dtype=torch.uint8) for width in (64, 40)]
    plain = {"do_resize": False}
    ours, batch = (Preprocessing(**(step | plain)).prepare(images) for step in ({}, _changes(theirs)))
    with torch.no_grad():
        expected = detector(batch.pixels, batch.mask)
    predicted = teacher.predict(ours.pixels, ours.mask)
    torch.testing.assert_close(tuple(predicted), tuple(expected), rtol=1e-3, atol=1e-3)


def _changes(theirs):
    return {name: getattr(theirs, name) for name in ("image_mean", "image_std", "do_normalize")}


def test_a_teacher_without_a_class_is_refused_by_its_name(tmp_path):
    reference = stored(tmp_path, tiny_detector())
    with pytest.raises(SettingsError) as caught:
        load_teacher(reference, ["cat", "horse", "cow"], OURS, CPU)
    assert caught.value.item == "teacher"
    assert caught.value.reason == f"{reference} lacks the classes cow, horse; it has bird, cat, dog"


def test_a_teacher_that_rescales_pixels_in_another_way_is_refused(tmp_path):
    reference = stored(tmp_path, tiny_detector(), Preprocessing(rescale_factor=1.0))
    with pytest.raises(SettingsError, match=r"rescales pixels by 1, the student by 0\.0039"):
        load_teacher(reference, ["cat"], OURS, CPU)
