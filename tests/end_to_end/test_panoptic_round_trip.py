"""Real panoptic labels through everything that a network's answer goes through, and back to files: nothing is lost."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import PurePath

import numpy as np
import pytest
import torch

from condetr import ConditionalDetrImageProcessor
from condetr.data.classes import Classes
from condetr.data.discovery.formats import read_dataset
from condetr.evaluation.panoptic_quality import counts_of, panoptic_of
from condetr.hf.models.outputs import ConditionalDetrSegmentationOutput
from condetr.images.detections import Detections
from condetr.images.masks.rle import mask_of_rle
from condetr.images.masks.segment_png import segment_numbers
from condetr.prediction.results_writing import ResultWriter
from condetr.prediction.sources import ImageSource
from tests.perfect_segments import perfect_outputs
from tests.plain_panoptic_quality import plain_quality

AT_STRIDE_4 = 0.95  # what the cells of the finest map leave of a perfect PQ: edges, and blankets with holes


@pytest.fixture(scope="module")
def labelled(shared):
    return read_dataset(shared / "data/coco-sample/panoptic.json", masks=True, panoptic=True)


def post_processed(example, classes, *, stride):
    """Through the public face, as a person would."""
    logits, masks = perfect_outputs(example, len(classes), stride=stride)
    outputs = ConditionalDetrSegmentationOutput(logits=logits, pred_masks=masks)
    (found,) = ConditionalDetrImageProcessor().post_process_panoptic_segmentation(
        outputs, label_ids_to_fuse=set(classes.stuff), target_sizes=[example.size]
    )
    infos = found["segments_info"]
    labels = [info["label_id"] for info in infos]
    return Detections(
        boxes=torch.zeros(len(infos), 4),
        scores=torch.tensor([info["score"] for info in infos]),
        labels=torch.tensor(labels, dtype=torch.int64),
        names=tuple(classes.names[label] for label in labels),
        size=example.size,
        source=str(example.path),
        segments=found["segmentation"],
    )


def written(folder, dataset, found):
    folder.mkdir()
    names, ids = dict(enumerate(dataset.classes.names)), dataset.classes.source_ids
    with ResultWriter(
        folder, ["coco-panoptic", "coco"], run={}, about={}, overwrite=False,
        labels=names, source_ids=ids, stuff=dataset.classes.stuff,
    ) as writer:  # fmt: skip
        for example, item in zip(dataset, found, strict=True):
            writer.add(ImageSource(str(example.path), PurePath(example.path.name), example.path), item)
    return json.loads((folder / "coco_panoptic.json").read_text())


def quality(dataset, found):
    counts = [counts_of(example, item, len(dataset.classes)) for example, item in zip(dataset, found, strict=True)]
    return panoptic_of(counts, dataset.classes.names, dataset.classes.stuff)


def reversed_classes(dataset):
    """The same with the table of classes upside down, so that the last class, which is a person, occurs."""
    last, classes = len(dataset.classes) - 1, dataset.classes
    table = Classes(classes.names[::-1], classes.source_ids, tuple(last - label for label in classes.stuff))

    def turned(objects):
        return tuple(replace(labeled, label=last - labeled.label) for labeled in objects)

    examples = (replace(example, objects=turned(example.objects), crowds=turned(example.crowds)) for example in dataset)
    return replace(dataset, examples=tuple(examples), classes=table)


def beside_its_images(folder, content):
    """The results as a data set, which has its images below it."""
    for image in content["images"]:
        path = PurePath(image["file_name"])
        image["file_name"] = path.name
        shutil.copy(path, folder)
    (folder / "coco_panoptic.json").write_text(json.dumps(content))
    return read_dataset(folder / "coco_panoptic.json", masks=True, panoptic=True)


def as_found(example, classes):
    """Labels as if they had been predicted."""
    numbers, segments = segment_numbers(example.segments), torch.zeros(example.size, dtype=torch.int32)
    for position, item in enumerate(example.objects, start=1):
        segments[numbers == item.id] = position
    return Detections(
        boxes=torch.tensor([labeled.box for labeled in example.objects]),
        scores=torch.ones(len(example.objects)),
        labels=torch.tensor([labeled.label for labeled in example.objects]),
        names=tuple(classes.names[labeled.label] for labeled in example.objects),
        size=example.size,
        segments=segments,
    )


@pytest.mark.parametrize("turned", [False, True], ids=["as it is", "the last class occurs"])
def test_nothing_is_lost(labelled, tmp_path, turned):
    dataset = reversed_classes(labelled) if turned else labelled
    classes = dataset.classes
    found = [post_processed(example, classes, stride=1) for example in dataset]
    again = beside_its_images(tmp_path / "out", written(tmp_path / "out", dataset, found))
    assert not again.report.summary()
    assert (again.classes.names, again.classes.source_ids) == (classes.names, classes.source_ids)
    assert set(again.classes.stuff) == set(classes.stuff)
    assert [example.image_id for example in again] == [example.image_id for example in dataset]
    for example, back in zip(dataset, again, strict=True):
        segments = (*example.objects, *example.crowds)  # what is predicted is never a crowd
        assert Counter((labeled.label, labeled.area) for labeled in back.objects) == Counter(
            (segment.label, segment.area) for segment in segments
        )
    assert (len(classes) - 1 in {labeled.label for example in again for labeled in example.objects}) == turned
    measured = quality(dataset, [as_found(example, classes) for example in again])
    assert measured.pq == measured.sq == measured.rq == measured.miou == 1
    assert measured.things.pq == measured.stuff.pq == 1
    assert measured.per_class.keys() == {
        classes.names[labeled.label] for example in dataset for labeled in example.objects
    }


def test_masks_are_those_of_the_segments(labelled, tmp_path):
    found = [post_processed(example, labelled.classes, stride=1) for example in labelled]
    written(tmp_path / "out", labelled, found)
    rows = json.loads((tmp_path / "out/coco_results.json").read_text())
    for example, item in zip(labelled, found, strict=True):
        masks = [mask_of_rle(row["segmentation"], example.size) for row in rows if row["image_id"] == example.image_id]
        assert [int(mask.sum()) for mask in masks] == item.segments.flatten().bincount()[1:].tolist()


def test_at_the_stride_of_the_network(labelled):
    """Every segment is still found; the pixels at the edges are not all. Another way to count says the same."""
    found = [post_processed(example, labelled.classes, stride=4) for example in labelled]
    measured = quality(labelled, found)
    assert measured.rq == 1
    assert AT_STRIDE_4 < measured.pq < 1
    classes, names = len(labelled.classes), labelled.classes.names
    qualities, pixels = plain_quality([in_plain_words(*pair) for pair in zip(labelled, found, strict=True)], classes)
    assert measured.pq == pytest.approx(np.mean([pq for pq, _, _ in qualities.values()]))
    assert {name: item.pq for name, item in measured.per_class.items()} == pytest.approx(
        {names[label]: pq for label, (pq, _, _) in qualities.items()}
    )
    assert measured.miou == pytest.approx(np.mean(list(pixels.values())))


def in_plain_words(example, found):
    truth = segment_numbers(example.segments).numpy()
    true_names = {labeled.id: (labeled.label, False) for labeled in example.objects}
    true_names |= {crowd.id: (crowd.label, True) for crowd in example.crowds}
    return truth, true_names, found.segments.numpy(), dict(enumerate(found.labels.tolist(), start=1))
