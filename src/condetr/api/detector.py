"""A loaded model with its weights: it also trains, explains, exports, saves and publishes."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from condetr.api.labeling import LabelingModel
from condetr.api.option_names import reject_foreign_option_names
from condetr.checkpoints.loading import Checkpoint
from condetr.checkpoints.pushing import push
from condetr.checkpoints.saving import save
from condetr.model.detector import ConditionalDetr

if TYPE_CHECKING:
    from condetr.data.augmentation.own import Augmentation
    from condetr.data.hub_datasets import HubDataset
    from condetr.training.run.callbacks import Callback
    from condetr.training.run.events import EventHandler
    from condetr.training.train import Trained
    from condetr.workflows.export import Exported


class Detector(LabelingModel):
    """What `condetr.load` returns for a model with weights."""

    checkpoint: Checkpoint
    network: ConditionalDetr

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
        """Show what each attention head attends to for a detection of one image.

        Args:
            source: the image, as for `predict`.
            detection: its index in the result of `predict`, "best", or "all".
            threshold: as for `predict`.
            top_k: as for `predict`.
            classes: as for `predict`.
            pixel: (x, y) whose encoder attention is shown; by default the center of the detection's box.

        Returns:
            An ``Explanation`` with arrays, figures and ``save``; for "all" an ``ExplainedImage`` with a figure and
            an explanation of each.

        Raises:
            CondetrError: the image cannot be used, nothing is detected, or there is no such detection or pixel.
        """
        from condetr.explain.run import detection_number, explain_image  # imported late: predictions do not need it

        if self.only_handwriting:
            next(iter(self._checked(source)), None)
        number, model = detection_number(detection), (self.network, self.preprocessing, self.checkpoint.labels)
        explained = explain_image(*model, source, threshold=threshold, top_k=top_k, classes=classes, pixel=pixel)
        return explained if number is None else explained.explain(number)

    @reject_foreign_option_names
    def train(
        self,
        data: "str | Path | HubDataset | Mapping[str, HubDataset]",
        *,
        output: str | Path | None = None,
        split: str | None = None,
        validation: str | None = None,
        resume: "bool | Literal['auto']" = False,
        num_queries: int | None = None,
        augment: "str | Path | Sequence[Mapping[str, Any]] | Augmentation | None" = None,
        callbacks: "Sequence[Callback]" = (),
        say: "EventHandler | None" = None,
        **settings: Any,
    ) -> "Trained":
        """Train a copy of the model on labeled images, with a head for their classes; the model stays as it is.

        Args:
            data: a folder or file in any format; all of it is checked first. Or a Dataset or DatasetDict of the
                library `datasets`, which is written to the cache, see `condetr.data.hub_datasets`.
            output: run folder; ``runs/train``, or with a number, unless given.
            split: training split; train unless named, or the only one.
            validation: validation split, or "none"; val unless named, or a tenth of the images, held out.
            resume: resume the run in ``output``, with its own weights and settings; give only what changes. "auto":
                if there is one, else begin.
            num_queries: train with more or fewer object queries than the model has, see `condetr.load`.
            augment: a preset ("none", "light", "detr", "strong", "lsj"); a YAML file or list of torchvision v2
                transforms; or a callable, which takes and returns a sample as those transforms do, or is a Compose of
                albumentations; see docs/training.md.
            callbacks: functions of an event, or objects with methods such as ``on_evaluated(event)``; raising
                `condetr.StopTraining` ends the run, with everything saved.
            say: called with every event (`condetr.training.run.events`); by default, lines on stderr.
            settings: any of `TrainingSettings`: ``epochs=50``, ``batch=2``, ``lr=1e-4``, ``precision="bf16"``, ...

        Returns:
            ``best``, the folder of the best model, for `load`; ``metrics`` of the last evaluation; ``folder``.

        Raises:
            CondetrError: something about the data, the settings or the device does not fit, or training failed.
        """
        from condetr.data.hub_datasets import data_path
        from condetr.training.initial_model import InitialModel  # training needs libraries that prediction does not
        from condetr.training.run.console import ConsoleReporter
        from condetr.training.run.resumption import is_resumed
        from condetr.workflows.training import check_queries, run, settings_of

        output, data = None if output is None else Path(output), data_path(data)
        own = augment if callable(augment) else None
        if augment is not None:
            settings["augment"] = None if own is not None else augment
        resume = is_resumed(output, resume)
        size = {"image_size": None} if self.has_own_size else {}  # that with which it was loaded is not chosen anew
        options = settings_of({"task": self.task, **size} | settings, output if resume else None)
        if resume and output is not None and num_queries is not None:
            check_queries(output, num_queries)

        def initial_model(classes: Sequence[str], queries: int | None) -> InitialModel:
            return InitialModel.from_model(
                self.checkpoint,
                self.preprocessing,
                classes=classes,
                task=options["task"],
                num_queries=num_queries or queries,
            )

        return run(
            data,
            options,
            initial_model,
            output=output,
            split=split,
            validation=validation,
            resume=resume,
            device=str(self.device),
            augmentation=own,
            callbacks=callbacks,
            command=f"condetr.Detector.train({str(data)!r}, **{settings})",
            say=say or ConsoleReporter(),
        )

    @reject_foreign_option_names
    def export(self, format: str = "onnx", *, output: str | Path | None = None, **options: Any) -> "Exported":  # noqa: A002
        """Write the model as an "onnx", "openvino" or "torch-export" graph; see `condetr.workflows.export.export`.

        ``options`` are those of `condetr.workflows.export.ExportOptions`: ``precision="int8"``, ``verify=False``, ...
        """
        from condetr.workflows.export import export, options_of

        return export(self.checkpoint, self.preprocessing, format, options_of(options), output=output)

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
        """Upload the model with a model card to ``organisation/name`` on the hub; returns the URL of the commit.

        Raises:
            StorageError: the hub cannot be reached or refuses.
        """
        with tempfile.TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            return push(folder, repository, private=private, token=token)
