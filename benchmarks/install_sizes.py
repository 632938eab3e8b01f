"""What an installation takes on disk: condetr, and what each extra adds to it.

    python -m benchmarks.install_sizes

It reads the packages of the environment that it runs in, which has all extras after `make test`, and downloads nothing.
"""

from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

DEVELOPMENT = ("test", "lint", "dev")
CUDA = ("nvidia-", "cuda-", "triton")  # beginnings of the names of packages that only a GPU uses


def main() -> None:
    core, missing = closure("condetr", frozenset())
    rows = [("`condetr`", core, missing), ("of these, CUDA and Triton", {name for name in core if of_cuda(name)}, set())]
    for extra in metadata.metadata("condetr").get_all("Provides-Extra") or []:
        packages, missing = closure("condetr", frozenset([extra]))
        if extra not in DEVELOPMENT and (packages - core or missing):
            rows.append((f"`condetr[{extra}]` adds", packages - core, missing))
    print("| | packages | MB on disk | the largest |\n| --- | --- | --- | --- |")
    for what, packages, missing in rows:
        if missing:
            print(f"| {what} | not installed here: {', '.join(sorted(missing))} | | |")
            continue
        sizes = {name: bytes_of(name) for name in packages}
        largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:3]
        named = ", ".join(f"{name} {megabytes(sizes[name])}" for name in largest)
        print(f"| {what} | {len(packages)} | {megabytes(sum(sizes.values()))} | {named} |")


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
    files = [file.locate() for file in metadata.files(name) or []]
    return sum(path.stat().st_size for path in files if path.exists())


def megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f}" if size >= 1e6 else "< 1"


def of_cuda(name: str) -> bool:
    return name.startswith(CUDA)


if __name__ == "__main__":
    main()
