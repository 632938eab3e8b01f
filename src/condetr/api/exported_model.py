"""An exported folder as the friendly object: it predicts and is measured; what needs weights says so."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, cast

import torch

from condetr.api.detector import Detector
from condetr.checkpoints.loading import Checkpoint
from condetr.core.errors import UsageError
from condetr.core.names import Backend
from condetr.export.stored import read_export
from condetr.prediction.flops import parameters_of


class _NeedsWeights:
    """A method that an exported graph cannot have, and says so when it is called."""

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, model: "ExportedModel | None", owner: type) -> Callable[..., NoReturn]:
        def refuse(*given: Any, **options: Any) -> NoReturn:  # noqa: ARG001  whatever the method takes
            form, where = ("another program", None) if model is None else (model.backend, model.folder)
            reason = f"is a graph for {form}; {self._name} needs the model that it was exported from"
            raise UsageError(reason, source=where)

        return refuse


class ExportedModel(Detector):
    """Behaves as the `Detector` it was exported from; no network of PyTorch is built."""

    def __init__(
        self,
        folder: Path,
        *,
        device: str | torch.device = "auto",
        image_size: Any = None,
        backend: Backend | None = None,
    ) -> None:
        """Open the graph of an exported folder.

        Raises:
            UsageError: another device than the CPU is asked for, or another backend than it was exported for.
            CheckpointError: something in the folder is missing, damaged, or does not fit.
            MissingExtraError: what runs the graph is not installed.
        """
        if device != "auto" and torch.device(device).type != "cpu":
            reason, hint = f"is {str(device)!r}; condetr runs exported graphs on the CPU", "leave it out"
            raise UsageError(reason, item="device", hint=hint)
        self.folder, self.stored = folder, read_export(folder, backend)
        self.backend = self.stored.form
        # A stored export has all that is read from a checkpoint, and a graph in the place of the network.
        super().__init__(cast("Checkpoint", self.stored), device="cpu", image_size=image_size)

    def info(self, image_size: tuple[int, int] | None = None) -> dict[str, Any]:
        said = super().info(image_size)
        return said | {"parameters": parameters_of(self.stored.config), "backend": self.backend}

    train: Any = _NeedsWeights()
    export: Any = _NeedsWeights()
    explain: Any = _NeedsWeights()
    save_pretrained: Any = _NeedsWeights()
    push_to_hub: Any = _NeedsWeights()
