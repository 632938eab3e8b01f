"""``condetr label-server``: a model that labels in Label Studio, as its ML backend."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from condetr.cli.commands.serve import Protocol, ServeSettings, run_server
from condetr.cli.output.reporting import Reporter
from condetr.core.errors import SettingsError, UsageError

if TYPE_CHECKING:
    from condetr.api.loaded_model import LoadedModel


@dataclass(frozen=True, kw_only=True)
class LabelServerSettings(ServeSettings):
    threshold: Annotated[
        tuple[str, ...] | float, "leave out detections that score at or below this; by class: 0.5,cell=0.4"
    ] = 0.5  # type: ignore[assignment]  # of classes, too
    port: Annotated[int, "port to listen on; 0 takes a free one"] = 9090
    document_root: Annotated[Path | None, "document root of Label Studio, for images of its local storage"] = None
    data_folder: Annotated[Path | None, "data folder of Label Studio, for images that were uploaded"] = None
    tolerance: Annotated[float, "pixels by which a polygon may miss the edge of its mask"] = 1.0
    train_command: Annotated[str | None, "command to run when training is started in Label Studio"] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tolerance < 0:
            raise SettingsError(f"is {self.tolerance}, expected at least 0", item="tolerance")
        for name in ("document_root", "data_folder"):
            folder: Path | None = getattr(self, name)
            if folder is not None and not folder.is_dir():
                raise SettingsError(f"is {folder}, which is no folder", item=name)
        self.words()  # raises

    def words(self) -> list[str]:
        """The command for training, as a list of words.

        Raises:
            SettingsError: it is empty, or has an open quote.
        """
        if self.train_command is None:
            return []
        try:
            words = shlex.split(self.train_command)
        except ValueError as error:
            raise SettingsError(f"cannot be split into words: {error}", item="train_command") from None
        if not words:
            raise SettingsError("is empty", item="train_command")
        return words


def label_server(settings: LabelServerSettings, reporter: Reporter) -> int:
    """Run an ML backend for Label Studio, which labels with a model, until SIGTERM or Ctrl-C.

    Images of tasks are read from Label Studio's folders on this machine; none is fetched. Exit status: as for serve.
    """
    if settings.document_root is None and settings.data_folder is None:
        hint = "--document-root for local storage, --data-folder for uploads"
        raise UsageError("is required: a folder of Label Studio's images", item="document_root", hint=hint)

    def protocol(model: "LoadedModel") -> Protocol:
        from condetr.api.labeling import LabelingModel
        from condetr.prediction.thresholds import thresholds_of
        from condetr.serving.label_studio.routes import LabelStudio
        from condetr.serving.label_studio.rows import rows_with_outlines
        from condetr.serving.label_studio.task_images import TaskImages
        from condetr.serving.label_studio.train_hook import TrainHook

        assert isinstance(model, LabelingModel)
        images = TaskImages(settings.document_root, settings.data_folder, settings.limits.body_bytes)
        hook = TrainHook(settings.words()) if settings.train_command is not None else None
        backend = LabelStudio(images, model.version, hook)
        thresholds = thresholds_of(settings.threshold, model.names)
        return Protocol(backend.application, rows_with_outlines(settings.tolerance, thresholds), thresholds.lowest)

    return run_server(settings, reporter, protocol, "condetr label-server")
