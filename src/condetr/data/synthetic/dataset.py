"""Synthetic scenes as a dataset without files: every scene is generated when it is read, and none is read twice."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import overload

import numpy as np
import torch
from torchvision.tv_tensors import BoundingBoxes, BoundingBoxFormat, Image, Mask

from condetr.core.errors import UsageError
from condetr.data.augmentation.sample import Sample
from condetr.data.classes import Classes
from condetr.data.records import Dataset, Example, SampleIndex
from condetr.data.synthetic.scene import PLAIN, scene
from condetr.data.synthetic.things import CLASS_NAMES
from condetr.images.sizes import HeightWidth

REFERENCE = "condetr/scenes"  # what to train on instead of a folder
AGNOSTIC = "condetr/things"  # the same scenes, all things of one class
EPOCH = 8000  # scenes
SIDES = (96, 320)  # pixels of the shortest and the longest edge
SMALLEST, LARGEST = 32, 1024  # edges that can be asked for
_LARGEST_SQUARE = 0.7  # of the longest edge: the side of a square scene
_ALIKE = 16  # consecutive scenes of one size, so that batches hardly need padding
_MIXED = 0.15  # share of such groups whose scenes have sizes of their own
_VERSION = 3  # of the generator: increased when scenes change


class SyntheticScenes(Dataset):
    """``EPOCH`` scenes per epoch, different ones in every epoch.

    Args:
        seed: of all scenes.
        epoch_size: scenes of an epoch.
        sides: the shortest and the longest edge, in pixels; small scenes have fewer things.
        agnostic: whether all things are of one class.
        plain: share of scenes that are easy to see.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        epoch_size: int = EPOCH,
        sides: tuple[int, int] = SIDES,
        agnostic: bool = False,
        plain: float = PLAIN,
    ) -> None:
        names, reference = (("thing",), AGNOSTIC) if agnostic else (CLASS_NAMES, REFERENCE)
        super().__init__((), Classes.named(names), Path(reference), "train")
        options = {"seed": seed, "epoch_size": epoch_size, "sides": sides, "agnostic": agnostic, "plain": plain}
        for name, value in options.items():
            object.__setattr__(self, name, value)

    keeps_sizes = True
    seed: int
    epoch_size: int
    sides: tuple[int, int]
    agnostic: bool
    plain: float

    @classmethod
    def from_reference(cls, reference: str) -> "SyntheticScenes | None":
        """``condetr/scenes`` or ``condetr/things``, with edges and the share of plain scenes if wanted; else None.

        ``condetr/scenes:64-144`` has edges of 64 to 144 pixels; of ``condetr/scenes:64-144:0.4``, 40 % are plain.

        Raises:
            UsageError: the range or the share is not possible.
        """
        name, colon, text = reference.partition(":")
        if name not in (REFERENCE, AGNOSTIC):
            return None
        if not colon:
            return cls(agnostic=name == AGNOSTIC)
        match = re.fullmatch(r"(\d{1,4})-(\d{1,4})(:0\.\d+|:[01])?", text)
        sides = (int(match[1]), int(match[2])) if match else (0, 0)
        if not SMALLEST <= sides[0] <= _LARGEST_SQUARE * sides[1] or sides[1] > LARGEST:
            hint = f"write {name}:96-320 for edges of 96 to 320 pixels, {name}:96-320:0.4 for 40 % of plain scenes"
            reason = f"is {text!r}, expected the shortest and the longest edge from {SMALLEST} to {LARGEST} pixels"
            raise UsageError(f"{reason}, the shortest at most {_LARGEST_SQUARE} of the longest", item="DATA", hint=hint)
        plain = float(match[3][1:]) if match and match[3] else PLAIN
        return cls(sides=sides, agnostic=name == AGNOSTIC, plain=plain)

    def __len__(self) -> int:
        return self.epoch_size

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Dataset: ...
    def __getitem__(self, index: int | slice) -> Example | Dataset:
        """A placeholder of one of the largest sizes: the objects of a scene are unknown before it is generated."""
        if isinstance(index, slice):
            raise TypeError("synthetic scenes cannot be sliced")
        if not 0 <= index < len(self):
            raise IndexError(index)
        side = int(_LARGEST_SQUARE * self.sides[1])
        return Example(self.root / "scene", ((side, side), self.sides)[index % 2], index)

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    def fingerprint(self) -> str:
        content: tuple[object, ...] = (
            self.classes,
            self.seed,
            self.epoch_size,
            self.sides,
            _LARGEST_SQUARE,
            _ALIKE,
            _VERSION,
        )
        if self.plain != PLAIN:
            content += (self.plain,)
        return hashlib.sha256(repr(content).encode()).hexdigest()

    def sample(self, index: SampleIndex, *, masks: bool = False) -> Sample:
        """A scene that depends on epoch and position, and not on the shuffled image index."""
        number = index.epoch * self.epoch_size + index.position
        made = scene(number, *size_of(number, self.seed, self.sides), plain=self.plain, seed=self.seed)
        boxes = torch.tensor(made.boxes, dtype=torch.float32).reshape(-1, 4)
        size = made.pixels.shape[:2]
        sample: Sample = {
            "image": Image(torch.from_numpy(made.pixels.copy()).permute(2, 0, 1)),
            "boxes": BoundingBoxes(boxes, format=BoundingBoxFormat.XYXY, canvas_size=size),
            "labels": torch.tensor(made.labels, dtype=torch.int64) * (not self.agnostic),
        }
        if masks:
            numbers = np.arange(len(made.boxes), dtype=made.owners.dtype)[:, None, None]
            sample["masks"] = Mask(torch.from_numpy(made.owners[None] == numbers))
        return sample

    def sample_name(self, index: SampleIndex) -> str:
        return f"scene {index.position} of epoch {index.epoch}"


def size_of(number: int, seed: int, sides: tuple[int, int] = SIDES) -> HeightWidth:
    """Height and width of a scene; consecutive ones mostly share them."""
    group = np.random.default_rng([seed, 7, number // _ALIKE])
    rng = np.random.default_rng([seed, 8, number]) if group.random() < _MIXED else group
    shortest, longest = sides
    side = np.exp(rng.uniform(np.log(shortest), np.log(_LARGEST_SQUARE * longest)))
    stretch = np.exp(rng.uniform(-0.35, 0.35))
    height, width = (int(np.clip(round(edge / 8) * 8, shortest, longest)) for edge in (side / stretch, side * stretch))
    return height, width
