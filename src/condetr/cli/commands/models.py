"""``condetr models``: what a training can begin with, by size and by name."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.command import CommonSettings

if TYPE_CHECKING:
    from condetr.workflows.published import PublishedModel

_COLUMNS = ("model", "size", "AP", "params", "GFLOP", "license", "revision", "available")
_NOTES = (
    "AP, parameters and FLOP of COCO models: published, not run here ({authors}).",
    "Models of the package: FLOP counted by `condetr info`, at their own image size; see their README for AP.",
)


def models(settings: CommonSettings, reporter: Reporter) -> None:  # noqa: ARG001  every command has settings
    """List the sizes of `condetr train --size`, the models of the package, and those that the authors published."""
    from condetr.bundled import bundled_models
    from condetr.workflows.published import AUTHORS, PUBLISHED

    rows = [_bundled(name, folder) for name, folder in bundled_models().items()] + [_published(of) for of in PUBLISHED]
    lines = _table([_COLUMNS, *(_cells(row) for row in rows)])
    notes = [note.format(authors=AUTHORS) for note in _NOTES]
    reporter.result("\n".join([*lines, *notes]), {"models": rows, "notes": notes})


def _bundled(name: str, folder: Path) -> dict[str, Any]:
    from condetr.api.load import load
    from condetr.workflows.start_model import OF_SIZE, for_task

    info = load(name, device="cpu").info()
    return {
        "model": name,
        "size": next((size for size, of in OF_SIZE.items() if name in (of, for_task(of, "instance"))), None),
        "ap": None,
        "parameters": info["parameters"],
        "flops": info["flops"],
        "license": _license_of(folder),
        "revision": None,
        "available": "in the package",
        "published": False,
    }


def _published(model: "PublishedModel") -> dict[str, Any]:
    from condetr.checkpoints.hub import cached_revision

    cached = cached_revision(model.reference) if model.is_on_hub else None
    elsewhere = "on the hub, not cached" if model.is_on_hub else "the authors' .pth, --model FILE"
    return {
        "model": model.reference if model.is_on_hub else f"Conditional DETR {model.name}",
        "size": {"R50": "base", "DC5-R101": "large"}.get(model.name),
        "ap": model.ap,
        "parameters": model.parameters,
        "flops": model.flops,
        "license": model.license,
        "revision": cached or model.revision,
        "available": elsewhere if cached is None else "cached",
        "published": True,
    }


def _license_of(folder: Path) -> str | None:
    """From the front matter of the model card."""
    lines = (folder / "README.md").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("license:")), None)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        row["model"],
        row["size"] or "",
        "" if row["ap"] is None else f"{row['ap']:.3f}",
        f"{row['parameters'] / 1e6:.2f} M" if row["parameters"] < 1e7 else f"{row['parameters'] / 1e6:.0f} M",
        f"{row['flops'] / 1e9:.2f}" if row["flops"] < 1e10 else f"{row['flops'] / 1e9:.0f}",
        row["license"] or "",
        (row["revision"] or "")[:12],
        row["available"],
    )


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
