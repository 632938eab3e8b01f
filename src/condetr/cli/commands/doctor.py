"""``condetr doctor``: is everything there that condetr needs, and what does it find?"""

import os
import platform
import re
import shutil
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import condetr
from condetr.cli.output.reporting import Reporter
from condetr.cli.settings.command import CommonSettings
from condetr.core.processor import processor_name, vector_units

_CORE = ("torch", "torchvision", "numpy", "pillow", "scipy", "safetensors", "huggingface_hub")
_DEVELOPMENT = {"test", "lint", "dev"}


_SIZE, _ROUNDS = (240, 320), 5  # of the image, and of timing it


@dataclass(frozen=True, kw_only=True)
class DoctorSettings(CommonSettings):
    hub: Annotated[bool, "ask the hub whether it answers"] = False


def doctor(settings: DoctorSettings, reporter: Reporter) -> None:
    """Show versions, extras, devices, vector units, folders, models and speed, and any problems with them.

    Nothing is downloaded, and the hub is asked only with --hub.
    """
    found = {
        "condetr": condetr.__version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: _version_of(name) for name in _CORE},
        "extras": _extras(),
        **_computing(),
        **_folders(),
        "models": _models(),
        "speed": _speed(),
        "hub_answers": _hub_answers() if settings.hub else None,
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
        "devices": {name: names.get(name, processor_name()) for name in devices()},
        "vector_units": list(vector_units()),
        "torch_uses": torch.backends.cpu.get_cpu_capability(),
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


def _models() -> dict[str, bool]:
    """The models of the package and the published one of the hub, and whether each is on this machine."""
    from condetr.bundled import bundled_models
    from condetr.checkpoints.hub import is_cached
    from condetr.workflows.published import PUBLISHED

    on_hub = {model.reference: is_cached(model.reference) for model in PUBLISHED if model.is_on_hub}
    return dict.fromkeys(bundled_models(), True) | on_hub


def _speed() -> dict[str, Any]:
    """The smallest model of the package, one image at a time: what other sizes take follows from `condetr models`."""
    from PIL import Image

    from condetr.api.load import load
    from condetr.bundled import NANO

    predictor = load(NANO, device="cpu").predictor()
    image = Image.new("RGB", _SIZE[::-1])
    seconds = []
    for _ in range(_ROUNDS):
        began = time.perf_counter()
        predictor.predict(image)
        seconds.append(time.perf_counter() - began)
    return {"model": NANO, "size": list(_SIZE), "images_per_second": round(1 / median(seconds[1:]), 1)}


def _hub_answers() -> bool:
    from condetr.checkpoints.hub import hub_answers
    from condetr.workflows.published import COCO

    return hub_answers(COCO)


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
    silent = ["the hub does not answer"] if found["hub_answers"] is False else []
    crowded = found["threads"] > found["cores"]
    return [
        *missing,
        *locked,
        *full,
        *silent,
        *([f"{found['threads']} threads on {found['cores']} cores"] if crowded else []),
    ]


def _lines(found: dict[str, Any]) -> list[str]:
    extras = [
        f"{state}: {', '.join(name for name, there in found['extras'].items() if there is wanted)}"
        for state, wanted in (("installed", True), ("missing", False))
        if wanted in found["extras"].values()
    ]
    speed = found["speed"]
    height, width = speed["size"]
    return [
        f"condetr  {found['condetr']} on Python {found['python']}, {found['platform']}",
        "versions " + ", ".join(f"{name} {version or 'missing'}" for name, version in found["versions"].items()),
        f"extras   {'; '.join(extras) or 'none'}",
        "devices  " + ", ".join(f"{name} ({what})" for name, what in found["devices"].items()),
        f"vectors  {', '.join(found['vector_units']) or 'unknown'}; torch uses {found['torch_uses']}",
        f"auto     {found['device']}, {found['threads']} threads on {found['cores']} cores",
        f"speed    {speed['model']}: {speed['images_per_second']:g} images of {width}x{height} a second, one at a time",
        *(f"{name:8} {_shown(found[name])}" for name in ("cache", "here")),
        "models   " + ", ".join(name + ("" if there else " (not cached)") for name, there in found["models"].items()),
        f"hub      {_hub_shown(answers=found['hub_answers'], offline=found['offline'])}",
        *(f"problem  {problem}" for problem in found["problems"]),
        *(["all well"] if not found["problems"] else []),
    ]


def _hub_shown(*, answers: bool | None, offline: bool) -> str:
    if offline:
        return "offline, by HF_HUB_OFFLINE"
    if answers is None:
        return "asked when a model is not in the cache; --hub asks whether it answers"
    return "answers" if answers else "does not answer"


def _shown(folder: dict[str, Any]) -> str:
    state = "writable" if folder["writable"] else "not writable"
    return f"{folder['path']}, {state}, {folder['free_bytes'] / 1e9:.1f} GB free"
