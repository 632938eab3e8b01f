"""What is settled before the first step: which images, how large, how many at once, from where on."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from condetr.core.errors import CheckpointError, DataError, SettingsError, UsageError, first_line_of
from condetr.data.records import Dataset
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Edges, HeightWidth
from condetr.model.config import DetectorConfig
from condetr.model.detector import ConditionalDetr
from condetr.training.input.batch_size import batch_that_fits
from condetr.training.processes import Processes
from condetr.training.progress import Progress
from condetr.training.run.checkpoint_writer import RunContext
from condetr.training.run.events import EventHandler, Noted, Warned
from condetr.training.run.resume import Stored, changes_since, check_data, check_model, newest_usable, read_checkpoint
from condetr.training.run.run_folder import RunFolder
from condetr.training.settings import TrainingSettings
from condetr.training.train_state import TrainState


def check_fit(detector: ConditionalDetr, dataset: Dataset, pretrain_backbone: int) -> None:
    """Raises UsageError or DataError where the one cannot learn from the other, or not with what is asked for."""
    if not len(dataset):
        raise DataError("has no images to learn from", source=dataset.root, hint="`condetr data check` says why")
    if len(dataset.classes) != detector.config.num_labels:
        raise UsageError(
            f"the model tells {detector.config.num_labels} classes apart, the data set has {len(dataset.classes)}",
            source=dataset.root,
            hint="give the model a head for them: condetr.load(..., classes=dataset.classes.names)",
        )
    if pretrain_backbone and detector.head.boxes.last.weight.any():  # zero until trained
        raise UsageError("is for training from random weights", item="pretrain_backbone", hint="leave it out")


def overfit_subset(dataset: Dataset, count: int) -> Dataset:
    """The first images that have objects."""
    labelled = [place for place, example in enumerate(dataset) if example.objects]
    if not labelled:
        raise DataError("no image has an object", source=dataset.root, item="overfit")
    return dataset.subset(labelled[:count])


def resized(preprocessing: Preprocessing, image_size: int | None, max_size: int | None) -> Preprocessing:
    """With the edges that were asked for, where they were.

    Where only the shorter edge was, and is longer than the longest allowed, that one keeps its proportion to it.

    Raises:
        SettingsError: the longer edge is to be less than the shorter one.
    """
    if image_size is None and max_size is None:
        return preprocessing
    size = preprocessing.size
    known = size if isinstance(size, Edges) else Edges(None, None)
    shortest, longest = image_size or known.shortest, max_size or known.longest
    if image_size is not None and max_size is None and longest is not None and longest < image_size:
        longest = round(image_size * longest / (known.shortest or longest))
    if longest is not None and shortest is not None and longest < shortest:
        reason = f"is {longest}, less than the shorter edge, {shortest}"
        raise SettingsError(reason, item="max_size", hint="give --image-size and --max-size together")
    return replace(preprocessing, do_resize=True, size=Edges(shortest, longest))


def note_on_size(before: Preprocessing, now: Preprocessing) -> str | None:
    """What to tell where the bound of the longer edge was raised with the shorter one."""
    bounds = [one.size.longest if isinstance(one.size, Edges) else None for one in (before, now)]
    if None in bounds or bounds[0] == bounds[1] or not isinstance(now.size, Edges):
        return None
    return f"max_size is {now.size.longest}, as the model's is to its image_size; --max-size gives another"


def largest_size(preprocessing: Preprocessing, dataset: Dataset) -> HeightWidth:
    """What images, as the network sees them, are padded to in the worst batch: an upright one beside a wide one."""
    heights, widths = zip(*{preprocessing.fit(size) for size in {example.size for example in dataset}}, strict=True)
    return max(heights), max(widths)


def fingerprint_of(settings: Mapping[str, Any], dataset: Dataset, network: DetectorConfig) -> str:
    """What every process must have been started with."""
    said = json.dumps(settings) + dataset.fingerprint() + repr(network)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def stored_state(folder: RunFolder, processes: Processes, say: EventHandler) -> Stored | None:
    """The newest complete checkpoint if the run is resumed; the first process chooses it for all.

    Raises:
        CheckpointError: there are some, and none is whole.
    """
    if not folder.resumes:
        return None
    stored, passed_over = newest_usable(folder.checkpoints) if processes.is_first else (None, [])
    path, passed_over = processes.from_first((None if stored is None else stored.path, passed_over))
    if path is None and passed_over:
        hint = f"put one back, or begin a new run with --model {folder.last}"
        raise CheckpointError(f"no checkpoint is whole: {'; '.join(passed_over)}", source=folder.checkpoints, hint=hint)
    for text in passed_over:
        say(Warned(text))
    if path is None:
        say(Noted("the run was stopped before its first checkpoint; it begins anew"))
        return None
    say(Noted(f"going on from {path.name}"))
    return read_checkpoint(path) if stored is None else stored


def batch_size(
    settings: TrainingSettings,
    stored: Stored | None,
    learner: TrainState,
    size: HeightWidth,
    processes: Processes,
    say: EventHandler,
) -> int:
    """What was asked for; for "auto" what fits, or what the resumed run had found."""
    if settings.batch != "auto":
        return settings.batch
    if stored is not None:
        return int(stored.state["batch"])
    fitting = min(processes.gather(batch_that_fits(learner.supervised, size, processes.device, processes.count)))
    say(Noted(f"batch: {fitting} images of {size[0]}x{size[1]} at once on each of {processes.count} processes"))
    return fitting


def resume(stored: Stored, learner: TrainState, now: RunContext, say: EventHandler) -> Progress:
    """Give the learner its state back, and say what is different from before.

    Raises:
        SettingsError: something changed that cannot.
        CheckpointError: the network or its preprocessing is another.
    """
    for text in changes_since(stored, now.to_dict()["settings"]):
        say(Noted(text))
    changed = check_data(stored, now.data, allow_changed=now.settings.allow_changed_data)
    if changed is not None:
        say(Warned(changed))
    before = stored.state["processes"]
    if before != now.processes:
        say(
            Noted(
                f"{now.processes} processes instead of {before}: the order of the images stays, none is seen twice or"
                f" left out, and a step has {now.processes * now.batch * now.settings.accumulate} images"
            )
        )
    check_model(stored, now.to_dict())
    try:
        learner.restore(stored.tensors, stored.state["numbers"])
    except (LookupError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        reason = f"does not fit this model: {first_line_of(error)}"
        raise CheckpointError(reason, source=stored.path, hint="resume with the model the run began with") from error
    return Progress.from_dict(stored.state["progress"])
