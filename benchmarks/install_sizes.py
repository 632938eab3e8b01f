"""What an installation takes: condetr, and what each extra adds to it, on disk and to download.

    pip install ".[all]" | tee install.log
    python -m benchmarks.install_sizes install.log

It reads the packages of the environment that it runs in, and the sizes of wheels in what pip printed; nothing is
downloaded. Without the log it gives the sizes on disk.
"""

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DEVELOPMENT = ("test", "lint", "dev")
CUDA = ("nvidia-", "cuda-", "triton")  # beginnings of the names of packages that only a GPU uses
UNITS = {"kB": 1e3, "MB": 1e6, "GB": 1e9}


def main(words: list[str]) -> None:
    wheels = wheels_of(Path(words[0]).read_text(encoding="utf-8")) if words else {}
    core, missing = closure("condetr", frozenset())
    rows = [("`condetr`", core, missing), ("of these, CUDA and Triton", {p for p in core if p.startswith(CUDA)}, set())]
    for extra in metadata.metadata("condetr").get_all("Provides-Extra") or []:
        packages, missing = closure("condetr", frozenset([extra]))
        if extra not in DEVELOPMENT and (packages - core or missing):
            rows.append((f"`condetr[{extra}]` adds", packages - core, missing))
    print("| | packages | MB to download | MB on disk | the largest |\n| --- | --- | --- | --- | --- |")
    for what, packages, missing in rows:
        if missing:
            print(f"| {what} | not installed here: {', '.join(sorted(missing))} | | | |")
            continue
        sizes = {name: bytes_of(name) for name in packages}
        largest = ", ".join(sorted(sizes, key=sizes.__getitem__, reverse=True)[:3])
        loaded = megabytes(sum(wheels.get(name, 0) for name in packages)) if wheels else ""
        print(f"| {what} | {len(packages)} | {loaded} | {megabytes(sum(sizes.values()))} | {largest} |")


def closure(name: str, extras: frozenset[str]) -> tuple[set[str], set[str]]:
    """The packages that a requirement brings, itself included; and those of them that are not installed."""
    found: set[tuple[str, frozenset[str]]] = set()
    missing: set[str] = set()
    todo = [(canonicalize_name(name), extras)]
    while todo:
        wanted = todo.pop()
        if wanted in found:
            continue
        try:
            todo += list(required(*wanted))
            found.add(wanted)
        except metadata.PackageNotFoundError:
            missing.add(wanted[0])
    return {package for package, _ in found}, missing


def required(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for text in metadata.requires(name) or []:
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def bytes_of(name: str) -> int:
    files = [Path(str(file.locate())) for file in metadata.files(name) or []]
    return sum(path.stat().st_size for path in files if path.exists())


def wheels_of(log: str) -> dict[str, float]:
    """Bytes of the wheel of each package, as pip prints them; of a wheel on this machine, those of its file."""
    sizes = {}
    for wheel, size, unit in re.findall(r"(?:Downloading|Using cached) (\S+\.whl) \(([\d.]+) (kB|MB|GB)\)", log):
        sizes[package_of(wheel)] = float(size) * UNITS[unit]
    for wheel in re.findall(r"Processing (\S+\.whl)", log):
        sizes[package_of(Path(wheel).name)] = Path(wheel).stat().st_size
    return sizes


def package_of(wheel: str) -> str:
    return canonicalize_name(wheel.partition("-")[0])


def megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f}" if size >= 1e6 else "< 1"


if __name__ == "__main__":
    main(sys.argv[1:])
