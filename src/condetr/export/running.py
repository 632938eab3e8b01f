"""Running exported graphs in place of a PyTorch network."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from condetr.core.denormals import denormals_as_zero
from condetr.core.errors import ModelError, UsageError
from condetr.core.names import GraphFormat
from condetr.core.out_of_memory import is_out_of_memory, out_of_memory
from condetr.core.records import Prediction
from condetr.core.shapes import PixelMask, Pixels
from condetr.export.graph_formats import FEATURES, MASK_INPUTS
from condetr.export.graph_opening import open_detection, open_masks
from condetr.export.opened import Arrays, Run
from condetr.images.sizes import HeightWidth
from condetr.model.mask_head import ImageMasks, objects_per_block


class ExportedNetwork(nn.Module):
    """Predicts like the exported network, also on padded batches. It has no PyTorch weights."""

    def __init__(self, run: Run, *, fixed: HeightWidth | None = None) -> None:
        super().__init__()
        self._run, self._fixed = run, fixed

    def forward(self, pixels: Pixels, mask: PixelMask | None = None) -> Prediction:
        """Logits and boxes; errors as in `trace`."""
        return self.predict_last(self.trace(pixels, mask))

    def trace(self, pixels: Pixels, mask: PixelMask | None = None) -> Arrays:
        """All outputs of the graph, by name.

        Raises:
            UsageError: the graph was exported for another size.
            ModelError: the graph fails.
        """
        mask = torch.ones(pixels[:, 0].shape, dtype=torch.bool) if mask is None else mask
        if self._fixed is None:
            return self.run(pixels, mask)
        if tuple(pixels.shape[-2:]) != self._fixed:
            actual, expected = ("x".join(map(str, size)) for size in (pixels.shape[-2:], self._fixed))
            reason = f"the image is prepared as {actual}, but the graph was exported for {expected} only"
            raise UsageError(reason, item="image_size", hint="export it with --dynamic for any size")
        single = [self.run(*image) for image in zip(pixels.split(1), mask.split(1), strict=True)]
        return {name: np.concatenate([outputs[name] for outputs in single]) for name in single[0]}

    def run(self, pixels: Tensor, mask: Tensor) -> Arrays:
        """The outputs for a batch that the graph accepts."""
        arrays = {"pixels": pixels.float().cpu().numpy(), "mask": mask.cpu().numpy()}
        size = "x".join(map(str, pixels.shape[-2:]))
        return _ran(self._run, arrays, f"{len(pixels)} images of {size}")

    @staticmethod
    def predict_last(outputs: Arrays) -> Prediction:
        return Prediction(torch.from_numpy(outputs["logits"]), torch.from_numpy(outputs["boxes"]))


class ExportedSegmenter(ExportedNetwork):
    """Also predicts masks, of chosen queries only."""

    def __init__(
        self, run: Run, run_masks: Run, *, fixed: HeightWidth | None = None, masks_in_boxes: bool = False
    ) -> None:
        super().__init__(run, fixed=fixed)
        self._run_masks, self.masks_in_boxes = run_masks, masks_in_boxes

    def segment(self, outputs: Arrays, queries: Sequence[Int64[Tensor, "_"]]) -> list[ImageMasks]:
        """Masks of chosen queries of each image of a trace."""
        return [torch.from_numpy(self._masks(outputs, image, chosen.numpy())) for image, chosen in enumerate(queries)]

    def _masks(self, outputs: Arrays, image: int, queries: np.ndarray) -> np.ndarray:
        shared = {name: outputs[name][image, None] for name in MASK_INPUTS}
        at_once = objects_per_block(shared[name].shape for name in FEATURES)
        nothing = np.zeros((0, *shared[FEATURES[-1]].shape[-2:]), np.float32)
        embeddings = outputs["embeddings"][image, queries]
        return np.concatenate([nothing, *self._blocks(embeddings, at_once, shared)])

    def _blocks(self, embeddings: np.ndarray, at_once: int, shared: Arrays) -> Iterator[np.ndarray]:
        for start in range(0, len(embeddings), at_once):
            some = embeddings[start : start + at_once]
            yield _ran(self._run_masks, {"chosen": some, **shared}, f"{len(some)} objects")["masks"]


def open_network(
    form: GraphFormat,
    folder: Path,
    threads: int,
    *,
    masks: bool,
    fixed: HeightWidth | None,
    masks_in_boxes: bool = False,
) -> ExportedNetwork:
    """The graphs of a folder, ready to run on the CPU; errors as in `open_detection`."""
    detection = open_detection(form, folder, threads, masks=masks)
    if not masks:
        return ExportedNetwork(detection, fixed=fixed)
    run_masks = open_masks(form, folder, threads)
    return ExportedSegmenter(detection, run_masks, fixed=fixed, masks_in_boxes=masks_in_boxes)


def _ran(run: Run, arrays: Arrays, what: str) -> Arrays:
    try:
        with denormals_as_zero():  # a softmax over a thousand cells has many: half the time of a graph on a photograph
            return run(arrays)
    except (MemoryError, RuntimeError, ValueError) as error:
        if is_out_of_memory(error):
            raise out_of_memory(f"with {what}", hint="lower batch or the image size") from error
        message = str(error).strip().splitlines()
        reason = f"the exported graph fails on {what}: {message[-1]}"
        raise ModelError(reason, hint="lower batch or the image size, or use the model itself") from error
