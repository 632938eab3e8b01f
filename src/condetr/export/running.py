"""Exported graphs, run: what takes the place of the network where no PyTorch network is built."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor, nn

from condetr.core.errors import ModelError, UsageError
from condetr.core.names import GraphFormat
from condetr.core.out_of_memory import is_out_of_memory, out_of_memory
from condetr.core.records import Prediction
from condetr.core.shapes import PixelMask, Pixels
from condetr.export.graph_formats import CLUES, EVIDENCE
from condetr.export.graph_opening import Arrays, Run, open_look, open_masks
from condetr.images.sizes import HeightWidth
from condetr.model.mask_head import ImageMasks, objects_per_block


class ExportedNetwork(nn.Module):
    """Answers as the network does that was exported, padded batches included. It has no weights of PyTorch."""

    def __init__(self, run: Run, *, fixed: HeightWidth | None = None) -> None:
        super().__init__()
        self._run, self._fixed = run, fixed

    def forward(self, pixels: Pixels, mask: PixelMask | None = None) -> Prediction:
        """Logits and boxes; it raises what `trace` does."""
        return self.predict_last(self.trace(pixels, mask))

    def trace(self, pixels: Pixels, mask: PixelMask | None = None) -> Arrays:
        """Everything that the graph says, by name.

        Raises:
            UsageError: the graph was exported for another size.
            ModelError: the graph cannot be run on this.
        """
        mask = torch.ones(pixels[:, 0].shape, dtype=torch.bool) if mask is None else mask
        if self._fixed is None:
            return self.run(pixels, mask)
        if tuple(pixels.shape[-2:]) != self._fixed:
            given, known = ("x".join(map(str, size)) for size in (pixels.shape[-2:], self._fixed))
            reason = f"the image is prepared as {given}, but the graph was exported for {known} alone"
            raise UsageError(reason, item="image_size", hint="export it with --dynamic for every size")
        alone = [self.run(*one) for one in zip(pixels.split(1), mask.split(1), strict=True)]
        return {name: np.concatenate([one[name] for one in alone]) for name in alone[0]}

    def run(self, pixels: Tensor, mask: Tensor) -> Arrays:
        """The graph on a batch that it was exported for."""
        given = {"pixels": pixels.float().cpu().numpy(), "mask": mask.cpu().numpy()}
        size = "x".join(map(str, pixels.shape[-2:]))
        return _ran(self._run, given, f"{len(pixels)} images of {size}")

    @staticmethod
    def predict_last(said: Arrays) -> Prediction:
        return Prediction(torch.from_numpy(said["logits"]), torch.from_numpy(said["boxes"]))


class ExportedSegmenter(ExportedNetwork):
    """Also makes masks, of those queries that somebody chooses once it is known what they found."""

    def __init__(self, run: Run, run_masks: Run, *, fixed: HeightWidth | None = None) -> None:
        super().__init__(run, fixed=fixed)
        self._run_masks = run_masks

    def segment(self, said: Arrays, queries: Sequence[Int64[Tensor, "_"]]) -> list[ImageMasks]:
        """Masks of chosen queries of each image of a trace."""
        return [torch.from_numpy(self._masks(said, image, chosen.numpy())) for image, chosen in enumerate(queries)]

    def _masks(self, said: Arrays, image: int, queries: np.ndarray) -> np.ndarray:
        shared = {name: said[name][image, None] for name in EVIDENCE}
        at_once = objects_per_block(shared[name].shape for name in CLUES)
        nothing = np.zeros((0, *shared[CLUES[-1]].shape[-2:]), np.float32)
        embeddings = said["embeddings"][image, queries]
        return np.concatenate([nothing, *self._blocks(embeddings, at_once, shared)])

    def _blocks(self, embeddings: np.ndarray, at_once: int, shared: Arrays) -> Iterator[np.ndarray]:
        for start in range(0, len(embeddings), at_once):
            some = embeddings[start : start + at_once]
            yield _ran(self._run_masks, {"chosen": some, **shared}, f"{len(some)} objects")["masks"]


def open_network(
    form: GraphFormat, folder: Path, threads: int, *, masks: bool, fixed: HeightWidth | None
) -> ExportedNetwork:
    """What is in a folder, ready to run on the CPU; it raises what `open_look` does."""
    look = open_look(form, folder, threads, masks=masks)
    if not masks:
        return ExportedNetwork(look, fixed=fixed)
    return ExportedSegmenter(look, open_masks(form, folder, threads), fixed=fixed)


def _ran(run: Run, given: Arrays, what: str) -> Arrays:
    try:
        return run(given)
    except (MemoryError, RuntimeError, ValueError) as error:
        if is_out_of_memory(error):
            raise out_of_memory(f"with {what}", hint="lower batch or the image size") from error
        said = str(error).strip().splitlines()
        reason = f"the exported graph cannot be run on {what}: {said[-1]}"
        raise ModelError(reason, hint="lower batch or the image size, or use the model itself") from error
