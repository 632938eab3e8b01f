"""All that looks at the image: backbone, encoder and conditional decoder. Heads come on top."""

from typing import NamedTuple

import torch
from torch import nn
from torch.nn.functional import interpolate

from condetr.core.errors import UsageError
from condetr.core.shapes import FeatureMap, GridMask, Memory, PixelMask, Pixels, Points, Queries, QueryMask
from condetr.model.backbone import build_backbone
from condetr.model.config import DetectorConfig
from condetr.model.decoder import ConditionalDecoder
from condetr.model.encoder import Encoder
from condetr.model.position import LearnedGrid, SineGrid, check_grid_fits


class Trace(NamedTuple):
    """All that one look at a batch leaves behind; heads and observers read from it.

    Attributes:
        features: of the backbone, finest first; empty where the caller brought what comes after them.
        flattened: what enters the encoder; None where the caller brought only the memory.
        cells: True on cells that hold real pixels.
        memory: what leaves the encoder.
        embeddings: the normalized ones of every decoder layer, last layer last.
        reference_logits: the points that all decoder layers share.
    """

    features: tuple[FeatureMap, ...]
    flattened: Memory | None
    cells: GridMask
    memory: Memory
    embeddings: tuple[Queries, ...]
    reference_logits: Points


class DetrTransformer(nn.Module):
    """Everything that a detector and a segmenter share."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = build_backbone(config.backbone)
        self.input_projection = nn.Conv2d(self.backbone.widths[-1], config.d_model, kernel_size=1)
        sine = config.position_embedding_type == "sine"
        self.position = SineGrid(config.d_model) if sine else LearnedGrid(config.d_model)
        self.encoder = Encoder(config)
        self.decoder = ConditionalDecoder(config)

    def trace(
        self,
        pixels: Pixels,
        mask: PixelMask | None = None,
        *,
        features: tuple[FeatureMap, ...] | None = None,
        flattened: Memory | None = None,
        memory: Memory | None = None,
        embeddings: Queries | None = None,
        query_mask: QueryMask | None = None,
    ) -> Trace:
        """Look at a batch.

        Args:
            pixels: normalized images.
            mask: True on real pixels; None when nothing is padded.
            features: what the backbone gave earlier; it is not run again.
            flattened: enters the encoder instead of the projected features of the backbone.
            memory: what the encoder gave earlier; it is not run again.
            embeddings: what the queries start from instead of zeros.
            query_mask: False on queries that the others do not see.

        Raises:
            UsageError: the image is larger than learned positions reach, or has other channels than the backbone.
        """
        check_colors(self.config, pixels)
        rows, columns = (-(-side // self.backbone.stride) for side in pixels.shape[-2:])
        check_grid_fits(self.position, rows, columns, self.backbone.stride)
        if features is None:
            features = self.backbone(pixels) if memory is None and flattened is None else ()
        if features:
            rows, columns = features[-1].shape[-2:]
        if features and flattened is None:
            flattened = self.input_projection(features[-1]).flatten(2).transpose(1, 2)
        cells = grid_mask(pixels, mask, rows, columns)
        grid = self.position(cells).to(pixels.dtype)
        allowed = None if mask is None else cells.flatten(1)
        memory = self.encoder(flattened, grid, allowed) if memory is None else memory
        decoded = self.decoder(memory, grid, allowed, embeddings, query_mask)
        return Trace(features, flattened, cells, memory, decoded.embeddings, decoded.reference_logits)


def check_colors(config: DetectorConfig, pixels: Pixels) -> None:
    """Refuse images of another kind than the backbone sees, before a convolution does so in its own words."""
    channels, colors = pixels.shape[1], config.backbone.in_channels
    if channels != colors:
        raise UsageError(
            f"is {colors}, but the images have {channels} channels",
            item="num_channels",
            hint="image_mean and image_std of preprocessor_config.json say how many channels images get",
        )


def grid_mask(pixels: Pixels, mask: PixelMask | None, rows: int, columns: int) -> GridMask:
    """A cell is real when the pixel at its corner is."""
    if mask is None:
        return torch.ones(pixels.shape[0], rows, columns, dtype=torch.bool, device=pixels.device)
    return interpolate(mask[None].float(), size=(rows, columns))[0].bool()
