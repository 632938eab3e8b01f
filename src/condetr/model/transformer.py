"""Backbone, encoder and conditional decoder: everything but the heads."""

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import nn
from torch.compiler import is_compiling
from torch.nn.functional import interpolate

from condetr.core.errors import UsageError
from condetr.core.shapes import CellMask, FeatureMap, GridMask, Memory, PixelMask, Pixels, Points, Queries, QueryMask
from condetr.model.backbone import build_backbone
from condetr.model.config import DetectorConfig
from condetr.model.decoder import ConditionalDecoder, DecoderTrace
from condetr.model.encoder import Encoder
from condetr.model.position import LearnedGrid, SineGrid, check_grid_fits
from condetr.model.timm_backbone import TimmBackbone


class Grid(NamedTuple):
    """The cells of the last feature map.

    Attributes:
        cells: True on cells that hold real pixels.
        position: their position embedding.
        mask: the cells that may be attended to; None when nothing is padded.
    """

    cells: GridMask
    position: Memory
    mask: CellMask | None


class Trace(NamedTuple):
    """The intermediate results of one forward pass; heads and observers read from it.

    Attributes:
        features: of the backbone, finest first; empty where the backbone did not run.
        flattened: input of the encoder; None where the encoder did not run and there are no features.
        cells: True on cells that hold real pixels.
        memory: output of the encoder.
        embeddings: normalized output of every decoder layer, last layer last.
        reference_logits: the reference points, which all decoder layers share, before the sigmoid.
    """

    features: tuple[FeatureMap, ...]
    flattened: Memory | None
    cells: GridMask
    memory: Memory
    embeddings: tuple[Queries, ...]
    reference_logits: Points


class DetrTransformer(nn.Module):
    """The body of a detector. Its stages can also be run one by one: `grid`, `project`, `encode`, `decode`."""

    def __init__(self, config: DetectorConfig) -> None:
        super().__init__()
        self.backbone = build_backbone(config.backbone)
        if isinstance(self.backbone, TimmBackbone):  # without options that have no effect there
            config = replace(config, backbone=self.backbone.description)
        self.config = config
        self.input_projection = nn.Conv2d(self.backbone.widths[-1], config.d_model, kernel_size=1)
        sine = config.position_embedding_type == "sine"
        self.position = SineGrid(config.d_model) if sine else LearnedGrid(config.d_model)
        self.encoder = Encoder(config)
        self.decoder = ConditionalDecoder(config)

    def forward(self, pixels: Pixels, mask: PixelMask | None = None) -> Trace:
        """Run every stage.

        Args:
            pixels: normalized images.
            mask: True on real pixels; None when nothing is padded.

        Raises:
            UsageError: the images are too large for learned positions, or do not have the backbone's channels.
        """
        self.check(pixels)
        features = self.backbone(pixels)
        flattened = self.project(features)
        grid = self.grid(pixels, mask, *features[-1].shape[-2:])
        memory = self.encode(flattened, grid)
        decoded = self.decode(memory, grid)
        return Trace(features, flattened, grid.cells, memory, decoded.embeddings, decoded.reference_logits)

    def check(self, pixels: Pixels) -> None:
        """Reject unusable images before anything is computed.

        Raises:
            UsageError: the images are too large for learned positions, or do not have the backbone's channels.
        """
        channels, expected = pixels.shape[1], self.config.backbone.in_channels
        if channels != expected:
            raise UsageError(
                f"is {expected}, but the images have {channels} channels",
                item="num_channels",
                hint="image_mean and image_std of preprocessor_config.json set the number of channels",
            )
        check_grid_fits(self.position, *self.grid_size(pixels), self.backbone.stride)

    def grid_size(self, pixels: Pixels) -> tuple[int, int]:
        """Rows and columns of the last feature map."""
        stride = self.backbone.stride
        return -(-pixels.shape[2] // stride), -(-pixels.shape[3] // stride)

    def grid(self, pixels: Pixels, mask: PixelMask | None, rows: int, columns: int) -> Grid:
        cells = grid_mask(pixels, mask, rows, columns)
        return Grid(cells, self.position(cells).to(pixels.dtype), None if mask is None else cells.flatten(1))

    def project(self, features: tuple[FeatureMap, ...]) -> Memory:
        """The last feature map as input of the encoder."""
        return self.input_projection(features[-1]).flatten(2).transpose(1, 2)

    def encode(self, flattened: Memory, grid: Grid) -> Memory:
        return self.encoder(flattened, grid.position, grid.mask)

    def decode(
        self, memory: Memory, grid: Grid, embeddings: Queries | None = None, query_mask: QueryMask | None = None
    ) -> DecoderTrace:
        """Decode from zeros, or from ``embeddings``; ``query_mask`` is False on queries hidden from the others."""
        return self.decoder(memory, grid.position, grid.mask, embeddings, query_mask)


def grid_mask(pixels: Pixels, mask: PixelMask | None, rows: int, columns: int) -> GridMask:
    """A cell is real if the pixel at its corner is."""
    if mask is None:
        return torch.ones(pixels.shape[0], rows, columns, dtype=torch.bool, device=pixels.device)
    if is_compiling():
        return corners(mask, rows, columns)
    return interpolate(mask[None].float(), size=(rows, columns))[0].bool()


def corners(mask: PixelMask, rows: int, columns: int) -> GridMask:
    """The pixels that torch interpolates, for maps of any stride that is a power of two.

    Graphs of other runtimes divide the other way around, and an edge of the padding that falls on a cell's corner is
    rounded to its other side.
    """
    height, width = mask.shape[1:]
    down, across = (
        # The half keeps rounding away from whole numbers.
        ((torch.arange(cells, device=mask.device) * pixels + 0.5) / cells).floor().long()
        for cells, pixels in ((rows, height), (columns, width))
    )
    return mask.float().index_select(1, down).index_select(2, across).bool()
