"""The friendly object behind ``condetr.load``: it ties rooms together and does nothing else."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from condetr.bundled import DIGITS
from condetr.checkpoints.loading import Checkpoint
from condetr.checkpoints.loading import load as load_checkpoint
from condetr.checkpoints.pushing import push
from condetr.checkpoints.saving import save
from condetr.data.records import Dataset
from condetr.evaluation.classes import ClassMap
from condetr.evaluation.evaluate import evaluate_detector, held_out
from condetr.evaluation.processes import ALONE, Share
from condetr.evaluation.report import USUAL, Metric, Report
from condetr.images.detections import Detections
from condetr.images.preprocessing import Preprocessing
from condetr.images.sizes import Numerics, size_of
from condetr.our_words import in_our_words
from condetr.prediction.device import device_of
from condetr.prediction.flops import flops_of
from condetr.prediction.predictor import Failure, Predictor
from condetr.prediction.sources import is_one
from condetr.speed.choice import choose, hasten
from condetr.speed.fast_detector import FastDetector
from condetr.speed.freshness import Moment, moment_of

if TYPE_CHECKING:
    from condetr.training.events import Say
    from condetr.training.train import Trained


@in_our_words
def load(
    reference: str | Path = DIGITS,
    *,
    classes: Sequence[str] | None = None,
    device: str | torch.device = "auto",
    image_size: Any = None,
    ignore_mismatched_sizes: bool = False,
    detector_only: bool = False,
    revision: str | None = None,
    cache_dir: str | Path | None = None,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> "Detector":
    """Load a detector.

    Args:
        reference: a hub id, a model folder, a run folder, or a weights file such as the authors' ``.pth``; unless
            given, the detector of handwritten digits that comes with condetr.
        classes: names for a new class head; rows of names that the model knows are copied, the others need training.
        device: where it runs; "auto" is the fastest there is.
        image_size: what pictures are resized to instead of what the model says, in any form of ``size``: a shortest
            edge, a pair (height, width), {"shortest_edge": 480, "longest_edge": 640}.
        ignore_mismatched_sizes: start tensors afresh that have another shape than the settings ask for.
        detector_only: accept a segmenter, and leave its mask head out.
        revision: branch, tag or commit on the hub.
        cache_dir: where downloads are kept.
        token: for private models of the hub.
        local_files_only: never ask the network.

    Raises:
        CheckpointError: anything about it is missing, broken, unsafe or does not fit.
    """
    checkpoint = load_checkpoint(
        reference,
        classes=classes,
        ignore_mismatched_sizes=ignore_mismatched_sizes,
        detector_only=detector_only,
        revision=revision,
        cache_dir=cache_dir,
        token=token,
        local_files_only=local_files_only,
    )
    return Detector(checkpoint, device=device, image_size=image_size)


class Detector:
    """A loaded model: finds objects, tells about itself, saves and publishes itself."""

    def __init__(self, checkpoint: Checkpoint, *, device: str | torch.device = "auto", image_size: Any = None) -> None:
        said = checkpoint.preprocessing or {}
        numerics: Numerics = "pil" if str(said.get("image_processor_type", "")).endswith("Pil") else "torchvision"
        source = checkpoint.provenance.path / "preprocessor_config.json"
        self.preprocessing = Preprocessing.from_dict(said, numerics=numerics, source=source)
        if image_size is not None:
            self.preprocessing = replace(self.preprocessing, size=size_of(image_size, longest=1333, field="image_size"))
        self.device = device_of(device)
        self.checkpoint = checkpoint
        self.network = checkpoint.detector.to(self.device).eval()
        self._fast: tuple[Moment, FastDetector] | None = None

    @property
    def names(self) -> dict[int, str]:
        """The name of every class id."""
        return dict(self.checkpoint.labels)

    @in_our_words
    def predict(
        self,
        source: object,
        *,
        threshold: float | int = 0.5,
        top_k: int = 100,
        batch: int = 1,
        classes: Sequence[str | int] | None = None,
        on_error: str = "raise",
    ) -> Any:
        """Find the objects of one picture, or of many.

        Args:
            source: a path, PIL picture, RGB array or tensor gives one result; a folder, pattern, list file (.txt,
                .csv) or a list of any of these gives a list, in order.
            threshold: detections that score at or below it are left out.
            top_k: the most detections of a picture.
            batch: the most pictures that the network sees at once; it does not change the results.
            classes: names or ids of the classes to look for.
            on_error: "raise" what is wrong with a picture, or "collect" it as a Failure in the place of its result.

        Returns:
            ``Detections``, or a list of them.

        Raises:
            CondetrError: a picture cannot be used, or the model gives no numbers.
        """
        predictor = self._predictor(threshold, top_k, batch, classes)
        results = predictor.predict(source, on_error=on_error)
        return results[0] if is_one(source) else results

    @in_our_words
    def stream(
        self,
        source: object,
        *,
        threshold: float | int = 0.5,
        top_k: int = 100,
        batch: int = 1,
        classes: Sequence[str | int] | None = None,
        on_error: str = "raise",
    ) -> Iterator[Detections | Failure]:
        """The same, one result after the other, in bounded memory however many pictures there are."""
        return self._predictor(threshold, top_k, batch, classes).stream(source, on_error=on_error)

    @in_our_words
    def evaluate(
        self,
        data: str | Path | Dataset,
        *,
        split: str | None = None,
        batch: int = 1,
        top_k: int = 100,
        metrics: Iterable[Metric] = USUAL,
        threshold: float | int = 0.5,
        class_map: ClassMap | None = None,
        share: Share = ALONE,
        on_picture: Callable[[], None] = lambda: None,
    ) -> Report:
        """Measure the model on labelled pictures.

        Args:
            data: a folder or file in any format, or a data set that was read.
            split: which part; val unless named, else test, or the only one.
            batch: the most pictures that the network sees at once; it does not change the results.
            top_k: the most detections of a picture; COCO counts 100.
            metrics: what to measure: ap, per-class, pr, confusion, errors, speed.
            threshold: score above which detections count in the confusion matrix and among the errors.
            class_map: what the model calls the data set's classes, where their names differ.
            share: of the pictures, where several processes evaluate together.
            on_picture: called after each picture.

        Raises:
            UsageError: the model does not know the data set's classes, or an option is out of its range.
            DataError: there is no such data, nothing to find in it, or no picture can be read.
        """
        dataset = data if isinstance(data, Dataset) else held_out(data, split)
        return evaluate_detector(
            self._fast_network(),
            dataset,
            self.preprocessing,
            self.checkpoint.labels,
            batch=batch,
            device=self.device,
            top_k=top_k,
            metrics=metrics,
            threshold=threshold,
            class_map=class_map,
            share=share,
            on_picture=on_picture,
        )

    @in_our_words
    def train(
        self,
        data: str | Path,
        *,
        output: str | Path | None = None,
        split: str | None = None,
        validation: str | None = None,
        resume: bool = False,
        say: "Say | None" = None,
        **settings: Any,
    ) -> "Trained":
        """Train a copy of the model on labelled pictures, with a head for their classes; the model stays as it is.

        Args:
            data: a folder or file in any format; all of it is checked first.
            output: folder of the run; ``runs/train``, or with a number, unless given.
            split: part of the data to learn from; train unless named, or what stands for it.
            validation: part to measure on, or "none"; val unless named, or a tenth of the pictures that is kept aside.
            resume: go on with the run in ``output``, with its own weights and settings; give what is to be different.
            say: hears of everything that happens (`condetr.training.events`); unless given, lines on stderr tell it.
            settings: any of `TrainingSettings`: ``epochs=50``, ``batch=2``, ``lr=1e-4``, ``precision="bf16"``, ...

        Returns:
            ``best``, the folder of the best model, for `load`; ``metrics`` of the last evaluation; ``folder``.

        Raises:
            CondetrError: something about the data, the settings or the device does not fit, or training failed.
        """
        from condetr.beginning import Beginning  # what trains is not waited for by what predicts
        from condetr.measured_training import run, settings_of
        from condetr.training.telling import Lines

        output = None if output is None else Path(output)
        return run(
            data,
            settings_of(settings, output if resume else None),
            lambda classes: Beginning.loaded(self.checkpoint, self.preprocessing, classes=classes),
            output=output,
            split=split,
            validation=validation,
            resume=resume,
            device=str(self.device),
            command=f"condetr.Detector.train({str(data)!r}, **{settings})",
            say=say or Lines(),
        )

    def info(self, image_size: tuple[int, int] | None = None) -> dict[str, Any]:
        """What this model is, as plain values.

        Args:
            image_size: (height, width) to count operations for; by default that of a 480x640 picture, resized.
        """
        size = image_size or self.preprocessing.fit((480, 640))
        checkpoint, where = self.checkpoint, self.checkpoint.provenance
        return {
            "parameters": sum(parameter.numel() for parameter in self.network.parameters()),
            "flops": flops_of(checkpoint.config, size),
            "flops_image_size": list(size),
            "classes": {str(number): name for number, name in self.names.items()},
            "architecture": asdict(checkpoint.config),
            "preprocessing": self.preprocessing.to_dict(),
            "path": str(where.path),
            "revision": where.revision,
            "dialect": where.dialect,
            "notes": list(where.notes),
        }

    def save_pretrained(self, folder: str | Path) -> None:
        """Write a model folder that condetr and transformers 4 and 5 load.

        Raises:
            StorageError: it cannot be written.
        """
        save(
            folder,
            self.network,
            self.checkpoint.labels,
            source_ids=self.checkpoint.source_ids,
            flat=self.checkpoint.flat,
            preprocessing=self.preprocessing.to_dict(),
        )

    def push_to_hub(self, repository: str, *, private: bool | None = None, token: str | bool | None = None) -> str:
        """Upload the model with a model card to ``organisation/name`` on the hub; gives the address of the commit.

        Raises:
            StorageError: the hub cannot be reached or refuses.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push(folder, repository, private=private, token=token)

    def speed(self) -> dict[str, Any]:
        """What is done to be fast on this device, and what is not, and why."""
        choice = choose(self.device, next(self.network.parameters()).dtype)
        steps = list(self._fast_network().steps)
        return {"device": str(self.device), "done": steps, "left_out": list(choice.left_out)}

    def _fast_network(self) -> FastDetector:
        """The copy that answers: made when it is first asked for, and anew when the weights have changed."""
        moment = moment_of(self.network)
        if self._fast is None or self._fast[0] != moment:
            self._fast = moment, hasten(self.network, self.device)
        return self._fast[1]

    def _predictor(
        self, threshold: float | int, top_k: int, batch: int, classes: Sequence[str | int] | None
    ) -> Predictor:
        return Predictor(
            self._fast_network(),
            self.preprocessing,
            self.checkpoint.labels,
            threshold=threshold,
            top_k=top_k,
            batch=batch,
            device=self.device,
            classes=classes,
        )
