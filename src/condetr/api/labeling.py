"""A loaded model that helps to label: it writes its detections as labels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from condetr.api.loaded_model import LoadedModel
from condetr.api.option_names import reject_foreign_option_names
from condetr.core.errors import UsageError
from condetr.core.names import LabelFormat, Task
from condetr.data.image_transfer import ImageTransfer
from condetr.images.detections import Detections
from condetr.prediction.input.videos import refuse_videos
from condetr.prediction.picking import FLOOR, Pick, pick
from condetr.prediction.predictor import Failure
from condetr.prediction.sources import images_in
from condetr.prediction.thresholds import DEFAULT, thresholds_of

if TYPE_CHECKING:
    from condetr.workflows.labeling import Labeled


_IN_CACHE = "models--"  # of the hub's cache: models--OWNER--NAME/snapshots/COMMIT
_OF_RUN = ("best", "last")


class LabelingModel(LoadedModel):
    """A model, or the graph of one, that labels images."""

    @reject_foreign_option_names
    def label(
        self,
        source: object,
        output: str | Path,
        *,
        format: LabelFormat = "coco",  # noqa: A002  the command's word
        threshold: float | int | Mapping[str, float | int] | Sequence[str] = DEFAULT,
        top_k: int = 100,
        batch: int = 1,
        classes: Sequence[str | int] | None = None,
        task: Task | None = None,
        mask_threshold: float | int = 0.5,
        tolerance: float | int = 1.0,
        tile: int | tuple[int, int] | None = None,
        split: str = "train",
        copy: bool = False,
        on_image: Callable[[], None] = lambda: None,
    ) -> "Labeled":
        """Write the detections in image files as a dataset that people correct in their tool, and train on.

        The detections so far are kept in the folder OUTPUT.unfinished, from which the same call goes on if it is
        killed.

        Args:
            source: image files, folders, patterns and lists, as for `predict`.
            output: a new folder, complete or absent. Scores are beside the labels, in scores.csv.
            format: "coco", "yolo", "voc", "cvat" (XML 1.1) or "label-studio" (predictions).
            threshold: detections must score higher; a mapping has numbers for some classes, and others have 0.5.
            top_k: as for `predict`.
            batch: as for `predict`.
            classes: as for `predict`.
            task: "detect": boxes; "instance": also masks, as polygons where the format has them. By default what the
                model was made for.
            mask_threshold: as for `predict`.
            tolerance: pixels by which a polygon may miss the edge of its mask; 0 follows every pixel.
            tile: as for `predict`.
            split: the name of the images' split.
            copy: copy the images; else they are linked.
            on_image: called after each image.

        Returns:
            What was written, and which images failed.

        Raises:
            DataError: no image can be used, or, for VOC, nothing was detected.
            UsageError: the folder is not new, a source is no image file, the task is panoptic, or a labeling that was
                killed had another model or other settings.
            StorageError: the folder cannot be written.
        """
        from condetr.workflows.labeling import label  # imported late: predictions do not need it
        from condetr.workflows.labeling_resume import check_output, detected_before

        refuse_videos(source)
        check_output(Path(output))
        thresholds = thresholds_of(threshold, self.names)
        options: dict[str, Any] = {
            "threshold": thresholds.lowest,
            "top_k": top_k,
            "classes": None if classes is None else list(classes),
            "task": labeling_task(task, self),
            "mask_threshold": mask_threshold,
            "tile": tile,
        }
        labels = {"format": format, "split": split, "tolerance": tolerance, "copy": copy}
        with detected_before(Path(output), self._origin() | options, self.names, labels) as detected:
            results = detected.results(
                list(images_in(source, pages=False)), partial(self.stream, batch=batch, on_error="collect", **options)
            )
            return label(
                _counted(results, on_image),
                output,
                to=format,
                names=self.names,
                source_ids=self.checkpoint.source_ids,
                thresholds=thresholds,
                model=self.version,
                split=split,
                tolerance=tolerance,
                transfer=ImageTransfer("copy" if copy else "link"),
                before=detected.before,
                resumed=detected.same_labels,
            )

    @reject_foreign_option_names
    def pick(
        self,
        source: object,
        *,
        count: int = 50,
        batch: int = 1,
        classes: Sequence[str | int] | None = None,
        tile: int | tuple[int, int] | None = None,
        on_image: Callable[[], None] = lambda: None,
        on_failure: Callable[[Failure], object] | None = None,
    ) -> list[Pick]:
        """The images to label next; see `prediction.picking` for the formula.

        Args:
            source: image files, folders, patterns and lists, as for `predict`, without those that are labeled.
            count: how many.
            batch: as for `predict`.
            classes: only these are considered.
            tile: as for `predict`.
            on_image: called after each image.
            on_failure: gets what is wrong with an image, which is then skipped; by default it is raised.

        Returns:
            The images, the most useful first.

        Raises:
            CondetrError: an image cannot be used, or an option is out of its range.
        """
        refuse_videos(source)
        results = self.stream(
            images_in(source, pages=False),
            threshold=FLOOR,
            batch=batch,
            classes=classes,
            task="detect",
            tile=tile,
            on_error="raise" if on_failure is None else "collect",
        )
        return pick(_without_failures(_counted(results, on_image), on_failure), count, class_ids=self.names)

    def _origin(self) -> dict[str, Any]:
        """What tells this model from another that was stored in its folder, as JSON values."""
        path = self.checkpoint.provenance.path
        files = path.iterdir() if path.is_dir() else [path]
        changed = max((file.stat().st_mtime_ns for file in files if file.is_file()), default=0)
        precision = self._acceleration.precision
        processing = self.preprocessing.to_dict()
        return {"model": self.version, "changed": changed, "precision": precision, "preprocessing": processing}

    @property
    def version(self) -> str:
        """The name of the model: its hub id and commit, or its folder, and the run of that."""
        where = self.checkpoint.provenance
        hub_id = next((part for part in where.path.parts if part.startswith(_IN_CACHE)), None)
        if hub_id is not None and where.revision is not None:
            return f"{hub_id.removeprefix(_IN_CACHE).replace('--', '/')}@{where.revision[:12]}"
        return "/".join(where.path.parts[-2:]) if where.path.name in _OF_RUN else where.path.name


def labeling_task(task: Task | None, model: LoadedModel) -> Task:
    """The task for labels: panoptic models detect instances.

    Raises:
        UsageError: it is panoptic.
    """
    if task == "panoptic":
        reason = "is panoptic; labels are boxes (detect) or instances with masks (instance)"
        raise UsageError(reason, item="task", hint="condetr predict --save coco-panoptic writes segments")
    return task or ("detect" if model.task == "detect" else "instance")


def _counted(results: Iterator[Detections | Failure], step: Callable[[], None]) -> "Iterator[Detections | Failure]":
    for result in results:
        yield result
        step()


def _without_failures(
    results: "Iterator[Detections | Failure]", on_failure: Callable[[Failure], object] | None
) -> Iterator[Detections]:
    for result in results:
        if not isinstance(result, Failure):
            yield result
        elif on_failure is not None:
            on_failure(result)
