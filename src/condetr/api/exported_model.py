"""An exported graph as a loaded model: it predicts and is evaluated; what needs weights raises an error."""

from pathlib import Path
from typing import Any, NoReturn

import torch

from condetr.api.labeling import LabelingModel
from condetr.core.errors import UsageError
from condetr.core.names import Backend
from condetr.export.stored import StoredExport, read_export
from condetr.prediction.flops import parameters_of


class ExportedModel(LabelingModel):
    """What `condetr.load` returns for an exported folder; no PyTorch network is built."""

    checkpoint: StoredExport

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
            UsageError: ``device`` is not the CPU, or ``backend`` is not the one it was exported for.
            CheckpointError: something in the folder is missing, damaged, or does not fit.
            MissingExtraError: the runtime of the graph is not installed.
        """
        if device != "auto" and torch.device(device).type != "cpu":
            reason = f"is {str(device)!r}; exported graphs run on the CPU, and TensorRT engines on their GPU"
            raise UsageError(reason, item="device", hint="leave it out")
        super().__init__(read_export(folder, backend), device="cpu", image_size=image_size)
        self.folder, self.backend = folder, self.checkpoint.form

    def info(self, image_size: tuple[int, int] | None = None) -> dict[str, Any]:
        weights = parameters_of(self.checkpoint.config)
        return super().info(image_size) | {"parameters": weights, "backend": self.backend}

    def train(self, *_: Any, **__: Any) -> NoReturn:
        self._needs_weights("train")

    def explain(self, *_: Any, **__: Any) -> NoReturn:
        self._needs_weights("explain")

    def export(self, *_: Any, **__: Any) -> NoReturn:
        self._needs_weights("export")

    def save_pretrained(self, *_: Any, **__: Any) -> NoReturn:
        self._needs_weights("save_pretrained")

    def push_to_hub(self, *_: Any, **__: Any) -> NoReturn:
        self._needs_weights("push_to_hub")

    def _needs_weights(self, method: str) -> NoReturn:
        reason = f"is a graph for {self.backend}; {method} needs the model that it was exported from"
        raise UsageError(reason, source=self.folder)
