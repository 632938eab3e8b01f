"""The settings of a training that the user leaves open: chosen from the data, the initial model and the machine.

All numbers are here. A choice is only ever made for a setting that is in no recipe, config file or option.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from condetr.core.names import Task
from condetr.training.settings import replaced

MINUTES = 15.0  # of a training from trained weights, or of a small network
STEPS_TO_OVERFIT = 400
MOST_WORKERS = 8
# Pixels of a resized image of median size, for small networks that are trained for at least so many minutes on a CPU.
# BCCD's validation split, AP50: .74 in four minutes with the first; with the last .83 after 1,250 steps of 4 images.
AREAS = {0.0: 192 * 256, 8.0: 240 * 320, 30.0: 360 * 480}
_, SHORT, LONG = AREAS
# Before the last, small objects make images no larger than this: steps are worth more (15 minutes on people of COCO128:
# AP50 .007 at 304x504, .025 at 128x176).
ENLARGED = AREAS[SHORT]
# Below as many minutes on a CPU, images are augmented lightly: after six epochs of BCCD AP50 is .69 so, and .54 with
# strong augmentation; an hour with strong augmentation was no better than 15 minutes without.
LIGHT = 90.0
SMALLEST_OBJECT = 8  # pixels of the side of objects at the 10th percentile
ENOUGH = 48  # the same: in a short training, larger ones only cost epochs
LEAST_AREA = 112 * 160  # pixels of an image that is made smaller for that
MOST_AREA: Mapping[str, float] = {"cpu": 400 * 480}  # of an image that is made larger; on other devices:
MOST_AREA_ELSEWHERE = 640 * 960
DIVISOR = 8  # of the edges
LONGEST = 5 / 3  # of the shortest edge; DETR's, 1333 for 800
STRONG_AREA = 160 * 160  # pixels; smaller images are augmented lightly, since crops leave little of them
SPARE_QUERIES = 1.5  # queries for the objects of the fullest image
QUERIES_STEP = 50
SMALL_WIDTH = 128  # d_model of networks that are trained like the bundled ones, not like the paper's

SMALL: Mapping[str, Any] = {
    "batch": 4,
    "reference_batch": 4,
    "lr": 1.5e-3,
    "lr_backbone": 1.5e-3,
    "warmup": "auto",
    "schedule": "linear",
    "decay_at": 0.5,
    "ema": "auto",
    "clip": 0.1,
    "freeze": (),
    "evaluate_every": "auto",
}
SMALL_RANDOM: Mapping[str, Any] = {"lr": 7e-4, "lr_backbone": 2e-4}  # in place of these, for random weights
SMALL_OF_TIMM: Mapping[str, Any] = {"lr": 1.2e-3, "lr_backbone": 4e-4}  # and on a backbone with ImageNet weights
SMALL_TRAINED: Mapping[str, Any] = {"lr": 2e-4, "lr_backbone": 1e-4}  # and where the model knows all classes
PAPER: Mapping[str, Any] = {
    "batch": "auto",
    "accumulate": "auto",
    "reference_batch": 16,
    "lr": 1e-4,
    "lr_backbone": 1e-5,
    "freeze": ("early",),
    "ema": "auto",
    "evaluate_every": "auto",
}
CHOSEN = (
    frozenset(SMALL)
    | frozenset(PAPER)
    | {
        *("epochs", "steps", "minutes", "workers", "image_size", "max_size", "augment", "flip"),
        *("pretrain_backbone", "masks_in_boxes"),
    }
)
_TOGETHER = ("image_size", "max_size"), ("schedule", "decay_at")  # where one is named, the other is not chosen
_NOT_SHOWN = ("reference_batch", "clip", "decay_at")
PRETRAINING, PRETRAINING_SHARE = 600, 0.15  # steps at most, of the backbone of a small network with random weights


@dataclass(frozen=True, slots=True)
class Facts:
    """What the choices depend on.

    Attributes:
        images: to train on.
        median_size: height and width of an image.
        small_object: side in pixels of objects at the 10th percentile; None where there are none.
        most_objects: in an image.
        class_names: of the dataset.
        width: ``d_model`` of the network.
        queries: of the network.
        is_random: whether its weights are random.
        knows_classes: whether it was trained for all classes of the dataset.
        has_new_mask_head: whether there is one, and its weights are random.
        has_timm_backbone: whether timm built its backbone, which then began with weights of ImageNet.
        device: its type, such as "cpu" or "cuda".
        cores: that each process may use.
        task: to train for.
        overfits: whether it is a test on a few images.
    """

    images: int
    median_size: tuple[int, int]
    small_object: float | None
    most_objects: int
    class_names: tuple[str, ...]
    width: int
    queries: int
    is_random: bool
    device: str
    cores: int
    task: Task = "detect"
    overfits: bool = False
    knows_classes: bool = False
    has_new_mask_head: bool = False
    has_timm_backbone: bool = False

    @property
    def is_small(self) -> bool:
        return self.width <= SMALL_WIDTH


def default_settings(facts: Facts, named: Mapping[str, Any]) -> dict[str, Any]:
    """A value for every setting that is chosen, and is not ``named`` or follows from one that is."""
    chosen = {**(SMALL if facts.is_small else PAPER), **_length(facts), "workers": _workers(facts)}
    if facts.is_small:
        minutes = (named.get("minutes") or MINUTES) if facts.device == "cpu" else math.inf
        chosen |= _image_size(facts, minutes)
        chosen |= _augmentation(facts, light=minutes < LIGHT)
        chosen |= SMALL_OF_TIMM if facts.has_timm_backbone else {}
        chosen |= {"masks_in_boxes": True} if facts.has_new_mask_head and facts.task == "instance" else {}
        chosen |= SMALL_RANDOM if facts.is_random else SMALL_TRAINED if facts.knows_classes else {}
    if facts.is_random:
        chosen["freeze"] = ()
        if facts.is_small:
            chosen["pretrain_backbone"] = int(
                min(PRETRAINING, PRETRAINING_SHARE * _steps(facts, replaced(chosen, named)))
            )
        else:  # the paper's rate of the backbone is for pretrained ones
            chosen["lr_backbone"] = named.get("lr", chosen["lr"])
    for others in _TOGETHER:
        if named.keys() & set(others):
            chosen = {name: value for name, value in chosen.items() if name not in others}
    return {name: value for name, value in replaced(chosen, named).items() if name not in named}


def description(chosen: Mapping[str, Any], facts: Facts) -> list[str]:
    """What was chosen, for the user; nothing where all that is shown was named."""
    height, width = facts.median_size
    objects = "" if facts.small_object is None else f" with up to {facts.most_objects} objects"
    weights = "random weights" if facts.is_random else "trained weights"
    shown = {name: value for name, value in chosen.items() if value is not None and name not in _NOT_SHOWN}
    values = ", ".join(f"{name} {_text(value)}" for name, value in shown.items())
    if not values:
        return []
    return [
        f"chosen for {facts.images} images of about {width}x{height} pixels{objects}, {weights} and {facts.device}:",
        f"{values}; an option, --config or --recipe names others",
    ]


def queries_for(facts: Facts) -> int:
    """The network's own, or more where an image has more objects than they can detect."""
    needed = math.ceil(SPARE_QUERIES * facts.most_objects)
    return facts.queries if needed <= facts.queries else QUERIES_STEP * -(-needed // QUERIES_STEP)


def _length(facts: Facts) -> dict[str, Any]:
    if facts.overfits:
        return {"steps": STEPS_TO_OVERFIT}
    if facts.is_random and not facts.is_small:
        return {}  # the paper's epochs
    return {"minutes": MINUTES}


def _steps(facts: Facts, settings: Mapping[str, Any]) -> float:
    """Of the training; without end where the time decides, of which pretraining has a share of its own."""
    named = [name for name in ("minutes", "steps", "epochs") if settings.get(name) is not None]
    if not named or named[0] == "minutes":
        return math.inf
    batch = settings["batch"] if isinstance(settings["batch"], int) else 1
    return float(settings["steps"] if named[0] == "steps" else settings["epochs"] * math.ceil(facts.images / batch))


def _workers(facts: Facts) -> int:
    """On the CPU the network itself computes on all cores."""
    if facts.cores == 1:
        return 0
    return 1 if facts.device == "cpu" else min(MOST_WORKERS, facts.cores - 1)


def _image_size(facts: Facts, minutes: float) -> dict[str, int]:
    height, width = facts.median_size

    def scale_to(area: int | float) -> float:
        return math.sqrt(area / (height * width))

    scale = scale_to(max(area for least, area in AREAS.items() if minutes >= least))
    if facts.small_object is not None:
        if minutes < SHORT:
            scale = min(scale, max(ENOUGH / facts.small_object, scale_to(LEAST_AREA)))
        most = ENLARGED if minutes < LONG else MOST_AREA.get(facts.device, MOST_AREA_ELSEWHERE)
        scale = max(scale, min(SMALLEST_OBJECT / facts.small_object, scale_to(most)))
    shortest = _rounded(min(1.0, scale) * min(height, width))
    return {"image_size": shortest, "max_size": max(shortest, _rounded(LONGEST * shortest))}


def _augmentation(facts: Facts, *, light: bool) -> dict[str, Any]:
    height, width = facts.median_size
    strong: Literal["strong", "light"] = "light" if light or height * width < STRONG_AREA else "strong"
    is_writing = all(len(name) == 1 and name.isalnum() for name in facts.class_names)
    return {"augment": strong, "flip": 0.0 if is_writing else None}


def _rounded(pixels: float) -> int:
    return max(DIVISOR, DIVISOR * round(pixels / DIVISOR))


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return "+".join(value) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
