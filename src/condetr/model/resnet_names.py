"""ResNets by the names of timm and torchvision, as descriptions."""

from dataclasses import replace

from condetr.model.config import ResNetDescription

_BASIC = ResNetDescription(block="basic", widths=(64, 128, 256, 512))
_BOTTLENECK = ResNetDescription()
_DEPTHS = {
    10: (1, 1, 1, 1),
    14: (1, 1, 1, 1),
    18: (2, 2, 2, 2),
    26: (2, 2, 2, 2),
    34: (3, 4, 6, 3),
    50: (3, 4, 6, 3),
    101: (3, 4, 23, 3),
    152: (3, 8, 36, 3),
    200: (3, 24, 36, 3),
}
_STEMS = {"": (64,), "c": (32, 32, 64), "d": (32, 32, 64), "t": (24, 32, 64)}


def _named(layers: int, variant: str) -> ResNetDescription:
    plain = _BASIC if layers in (10, 18, 34) else _BOTTLENECK
    return replace(
        plain,
        depths=_DEPTHS[layers],
        stem_widths=_STEMS[variant],
        shortcut="average" if variant in ("d", "t") else "convolution",
    )


_VARIANTS: dict[int, tuple[str, ...]] = {
    10: ("t",),
    14: ("t",),
    18: ("", "d"),
    26: ("", "d", "t"),
    34: ("", "d"),
    50: ("", "c", "d", "t"),
    101: ("", "c", "d"),
    152: ("", "c", "d"),
    200: ("", "d"),
}

RESNETS: dict[str, ResNetDescription] = {
    f"resnet{layers}{variant}": _named(layers, variant)
    for layers, variants in _VARIANTS.items()
    for variant in variants
} | {
    "wide_resnet50_2": replace(_named(50, ""), inner_widths=(128, 256, 512, 1024)),
    "wide_resnet101_2": replace(_named(101, ""), inner_widths=(128, 256, 512, 1024)),
}
