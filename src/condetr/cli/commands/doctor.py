"""``condetr doctor``: is everything there that condetr needs, and what does it find?"""

import os
import platform
import re
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import condetr
from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.command import CommonSettings

_CORE = ("torch", "torchvision", "numpy", "pillow", "scipy", "safetensors", "huggingface_hub")
_DEVELOPMENT = {"test", "lint", "dev"}


@dataclass(frozen=True, kw_only=True)
class DoctorSettings(CommonSettings):
    pass


def doctor(settings: DoctorSettings, reporter: Reporter) -> None:  # noqa: ARG001  every command has settings
    """Show versions, devices, extras, threads and folders, and what is wrong with them."""
    found = {
        "condetr": condetr.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version_of(name) for name in _CORE},
        "extras": _extras(),
        **_computing(),
        **_folders(),
    }
    found["problems"] = _problems(found)
    reporter.result("\n".join(_lines(found)), found)


def _version_of(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> dict[str, bool]:
    """Whether all packages of each extra are installed; the extras for development are left out."""
    installed: dict[str, bool] = {}
    for requirement in metadata.requires("condetr") or []:
        extra = re.search(r"extra == ['\"](.+?)['\"]", requirement)
        name = re.match(r"[\w.-]+", requirement)
        if extra and name and extra[1] not in _DEVELOPMENT:
            installed[extra[1]] = installed.get(extra[1], True) and _version_of(name[0]) is not None
    return installed


def _computing() -> dict[str, Any]:
    import torch

    from condetr.core.device import device_of, devices

    names = {name: torch.cuda.get_device_name(name) for name in devices() if name.startswith("cuda")}
    return {
        "devices": {name: names.get(name, platform.processor() or platform.machine()) for name in devices()},
        "device": str(device_of("auto")),
        "threads": torch.get_num_threads(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }


def _folders() -> dict[str, Any]:
    from huggingface_hub import constants

    return {
        "cache": _folder(Path(constants.HF_HUB_CACHE)),
        "here": _folder(Path.cwd()),
        "offline": bool(constants.HF_HUB_OFFLINE),
    }


def _folder(path: Path) -> dict[str, Any]:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    return {"path": str(path), "writable": os.access(there, os.W_OK), "free_bytes": free}


def _problems(found: dict[str, Any]) -> list[str]:
    missing = [f"{name} is not installed" for name, version in found["versions"].items() if version is None]
    locked = [f"{found[name]['path']} is not writable" for name in ("cache", "here") if not found[name]["writable"]]
    full = [
        f"{found[name]['path']} has less than 1 GB free"
        for name in ("cache", "here")
        if found[name]["free_bytes"] < 1e9
    ]
    crowded = found["threads"] > found["cores"]
    return [*missing, *locked, *full, *([f"{found['threads']} threads on {found['cores']} cores"] if crowded else [])]


def _lines(found: dict[str, Any]) -> list[str]:
    extras = ", ".join(f"{name} {'installed' if there else 'missing'}" for name, there in found["extras"].items())
    return [
        f"condetr  {found['condetr']} on Python {found['python']}, {found['platform']}",
        "versions " + ", ".join(f"{name} {version or 'missing'}" for name, version in found["versions"].items()),
        f"extras   {extras or 'none'}",
        "devices  " + ", ".join(f"{name} ({what})" for name, what in found["devices"].items()),
        f"auto     {found['device']}, {found['threads']} threads on {found['cores']} cores",
        *(f"{name:8} {_shown(found[name])}" for name in ("cache", "here")),
        f"hub      {'offline' if found['offline'] else 'asked when a model is not in the cache'}",
        *(f"problem  {problem}" for problem in found["problems"]),
        *(["all well"] if not found["problems"] else []),
    ]


def _shown(folder: dict[str, Any]) -> str:
    state = "writable" if folder["writable"] else "not writable"
    return f"{folder['path']}, {state}, {folder['free_bytes'] / 1e9:.1f} GB free"
