"""The friendly object: it ties rooms together and does nothing else."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condetr.api.loaded_model import LoadedModel
from condetr.api.option_names import reject_foreign_option_names
from condetr.checkpoints.pushing import push
from condetr.checkpoints.saving import save
from condetr.core.distributed import SINGLE_PROCESS, ProcessShard
from condetr.core.names import Metric, Task
from condetr.data.records import Dataset
from condetr.evaluation.class_mapping import ClassMap
from condetr.evaluation.evaluate import evaluate_detector, held_out
from condetr.evaluation.report import Report
from condetr.prediction.flops import flops_of

if TYPE_CHECKING:
    from condetr.training.run.events import EventHandler
    from condetr.training.train import Trained
    from condetr.workflows.export import Exported


class Detector(LoadedModel):
    """A loaded model: finds objects, learns, is measured, tells about itself, saves and publishes itself."""

    @reject_foreign_option_names
    def explain(
        self,
        source: object,
        *,
        detection: int | str = 0,
        threshold: float | int = 0.5,
        top_k: int = 100,
        classes: Sequence[str | int] | None = None,
        pixel: tuple[float | int, float | int] | None = None,
    ) -> Any:
        """Show what each attention head looked at for a detection of one image.

        Args:
            source: the image, as for `predict`.
            detection: its place in what `predict` finds, "best", or "all".
            threshold: as for `predict`.
            top_k: as for `predict`.
            classes: as for `predict`.
            pixel: (x, y) whose encoder attention is shown; by default the middle of the detection's box.

        Returns:
            An ``Explanation`` with arrays, figures and ``save``; for "all" an ``ExplainedImage`` with a figure and
            an explanation of each.

        Raises:
            CondetrError: the image cannot be used, nothing is found, or there is no such detection or pixel.
        """
        from condetr.explain.run import detection_number, explain_image  # imported late: predictions do not need it

        if self.only_handwriting:
            next(iter(self._checked(source)), None)
        number, model = detection_number(detection), (self.network, self.preprocessing, self.checkpoint.labels)
        explained = explain_image(*model, source, threshold=threshold, top_k=top_k, classes=classes, pixel=pixel)
        return explained if number is None else explained.explain(number)

    @reject_foreign_option_names
    def evaluate(
        self,
        data: str | Path | Dataset,
        *,
        split: str | None = None,
        batch: int = 1,
        top_k: int = 100,
        metrics: Iterable[Metric] | None = None,
        threshold: float | int = 0.5,
        class_map: ClassMap | None = None,
        task: Task | None = None,
        tile: int | tuple[int, int] | None = None,
        share: ProcessShard = SINGLE_PROCESS,
        on_picture: Callable[[], None] = lambda: None,
    ) -> Report:
        """Measure the model on labeled images.

        Args:
            data: a folder or file in any format, or a data set that was read.
            split: which part; val unless named, else test, or the only one.
            batch: the most images that the network sees at once; it does not change the results.
            top_k: the most detections of an image; COCO counts 100.
            metrics: what to measure: ap, per-class, pr, confusion, errors, speed; of segments also pq, miou. By default
                all but speed.
            threshold: score above which detections count in the confusion matrix and among the errors, and segments.
            class_map: what the model calls the data set's classes, where their names differ.
            task: "detect" measures boxes, "instance" also masks, "panoptic" also segments; by default what the model
                was made for. The data needs masks, or panoptic annotations.
            tile: also look at parts of the images, as `predict` does.
            share: the images of this process, where several evaluate together.
            on_picture: called after each image.

        Raises:
            UsageError: the model does not know the data set's classes, or an option is out of its range.
            DataError: there is no such data, nothing to find in it, or no image can be read.
        """
        task = task or self.task
        dataset = data if isinstance(data, Dataset) else held_out(data, split, task=task)
        return evaluate_detector(
            self.inference_model,
            dataset,
            self.preprocessing,
            self.checkpoint.labels,
            batch=batch,
            device=self.device,
            top_k=top_k,
            metrics=metrics,
            threshold=threshold,
            class_map=class_map,
            task=task,
            stuff=self.checkpoint.stuff or None,
            tile=tile,
            share=share,
            on_picture=on_picture,
        )

    @reject_foreign_option_names
    def train(
        self,
        data: str | Path,
        *,
        output: str | Path | None = None,
        split: str | None = None,
        validation: str | None = None,
        resume: bool = False,
        say: "EventHandler | None" = None,
        **settings: Any,
    ) -> "Trained":
        """Train a copy of the model on labeled images, with a head for their classes; the model stays as it is.

        Args:
            data: a folder or file in any format; all of it is checked first.
            output: folder of the run; ``runs/train``, or with a number, unless given.
            split: part of the data to learn from; train unless named, or what stands for it.
            validation: part to measure on, or "none"; val unless named, or a tenth of the images that is kept aside.
            resume: go on with the run in ``output``, with its own weights and settings; give what is to be different.
            say: called with every event (`condetr.training.run.events`); by default, lines on stderr.
            settings: any of `TrainingSettings`: ``epochs=50``, ``batch=2``, ``lr=1e-4``, ``precision="bf16"``, ...

        Returns:
            ``best``, the folder of the best model, for `load`; ``metrics`` of the last evaluation; ``folder``.

        Raises:
            CondetrError: something about the data, the settings or the device does not fit, or training failed.
        """
        from condetr.training.run.console import ConsoleReporter
        from condetr.workflows.initial_model import InitialModel  # what trains is not waited for by what predicts
        from condetr.workflows.training import run, settings_of

        output = None if output is None else Path(output)
        how = settings_of({"task": self.task} | settings, output if resume else None)
        return run(
            data,
            how,
            lambda classes: InitialModel.loaded(self.checkpoint, self.preprocessing, classes=classes, task=how.task),
            output=output,
            split=split,
            validation=validation,
            resume=resume,
            device=str(self.device),
            command=f"condetr.Detector.train({str(data)!r}, **{settings})",
            say=say or ConsoleReporter(),
        )

    @reject_foreign_option_names
    def export(self, format: str = "onnx", *, output: str | Path | None = None, **options: Any) -> "Exported":  # noqa: A002
        """Write a graph that predicts alone: "onnx", "openvino" or "torch-export"; see `measured_export.export`.

        ``options`` are those of `measured_export.ExportOptions`: ``precision="int8"``, ``verify=False``, ...
        """
        from condetr.workflows.export import export, options_of

        return export(self.checkpoint, self.preprocessing, format, options_of(options), output=output)

    def info(self, image_size: tuple[int, int] | None = None) -> dict[str, Any]:
        """What this model is, as plain values.

        Args:
            image_size: (height, width) to count operations for; by default that of a 480x640 image, resized.
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
            "dialect": where.key_format,
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
