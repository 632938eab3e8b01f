"""Names for the images of a new dataset: unchanged if possible, and all different."""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TypeAlias

from condetr.data.checks.data_report import DataReport
from condetr.data.checks.problems import ProblemKind
from condetr.data.records import Dataset, Example
from condetr.images.file_endings import has_image_ending

_Parts: TypeAlias = tuple[str, ...]  # of a path: folders, and the stem
_LONGEST = 180  # bytes of a stem; a file name has 255 at most, with its ending and perhaps a number
_NOT_TEXT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_NOT_A_WORD = re.compile(r"\s|\\|^#")  # what a line of VOC's lists would not keep
_ENDINGS = {b"\xff\xd8": ".jpg", b"\x89P": ".png", b"GI": ".gif", b"BM": ".bmp", b"RI": ".webp", b"II": ".tif"}
_ENDINGS |= {b"MM": ".tif"} | {b"P%d" % kind: ".ppm" for kind in range(1, 8)}


def flat_names(datasets: Iterable[Dataset], report: DataReport, *, words: bool = False) -> list[list[str]]:
    """A name without folders for each image of each dataset; no two have the same stem, ignoring case.

    An image keeps its name if no other has it; else the folders that distinguish them become a prefix. The same image
    with the same objects has one name in all datasets, but two if one dataset holds it twice.

    Args:
        datasets: that share a folder of labels.
        report: gets what was changed.
        words: whether a name must be one word.
    """
    parts_of: dict[Hashable, _Parts] = {}
    images: list[list[tuple[Hashable, Example]]] = []
    for dataset in datasets:
        counts: Counter[Hashable] = Counter()
        images.append([])
        for example in dataset:
            content = (example.path, tuple((labeled.label, labeled.box) for labeled in example.objects))
            counts[content] += 1
            images[-1].append(((content, counts[content]), example))
            parts_of[content, counts[content]] = _parts_of(dataset.name_of(example), words=words)
    stems = _stems(parts_of)
    reported: set[Hashable] = set()
    names = [[stems[key] + _ending_of(example.path) for key, example in keyed] for keyed in images]
    for keyed, of_dataset in zip(images, names, strict=True):
        for (key, example), name in zip(keyed, of_dataset, strict=True):
            if name != example.path.name and key not in reported:
                report.add(ProblemKind.NAME_CHANGED, f"is written as {name}", source=example.path)
                reported.add(key)
    return names


def names_in_folders(dataset: Dataset, report: DataReport) -> list[str]:
    """The path of each image below the root of the dataset; one that leads out of it is moved inside."""
    old = {example.path: dataset.name_of(example) for example in dataset}
    new = dict(zip(old, numbered_apart([_inside(name) for name in old.values()]), strict=True))
    for path, name in new.items():
        if name != old[path]:
            report.add(ProblemKind.NAME_CHANGED, f"is written as {name}", source=path)
    return [new[example.path] for example in dataset]


def _inside(name: str) -> str:
    parts = [part for part in PurePosixPath(name).parts if part not in ("..", "/")]
    return re.sub(r"^data:", "data_", "/".join(parts))  # else it would be read as a URL


def numbered_apart(names: Sequence[str]) -> list[str]:
    """The names themselves; repeated ones get a number behind the stem."""
    taken, unique = set(names), list[str]()
    seen, number = set[str](), Counter[str]()
    for name in names:
        chosen, path = name, PurePosixPath(name)
        while chosen in seen or (chosen != name and chosen in taken):
            number[name] += 1
            chosen = str(path.with_name(f"{path.stem}-{number[name] + 1}{path.suffix}"))
        seen.add(chosen)
        unique.append(chosen)
    return unique


def _stems(parts_of: Mapping[Hashable, _Parts]) -> dict[Hashable, str]:
    """Unique stems are assigned first, so that they stay unchanged."""
    alike: defaultdict[str, list[Hashable]] = defaultdict(list)
    for key, parts in parts_of.items():
        alike[_plain(parts[-1])].append(key)
    taken = {stem for stem, keys in alike.items() if len(keys) == 1}
    chosen = {keys[0]: parts_of[keys[0]][-1] for keys in alike.values() if len(keys) == 1}
    number: Counter[str] = Counter()
    for keys in alike.values():
        depth = _distinguishing_depth([parts_of[key] for key in keys]) if len(keys) > 1 else 0
        for key in keys if depth else ():
            stem = wanted = _short("_".join(parts_of[key][-depth:]))
            while _plain(stem) in taken:
                number[wanted] += 1
                stem = f"{wanted}-{number[wanted] + 1}"
            taken.add(_plain(stem))
            chosen[key] = stem
    return chosen


def _distinguishing_depth(paths: Sequence[_Parts]) -> int:
    """How many of the last parts make all paths different; one if none do."""
    for depth in range(1, max(map(len, paths)) + 1):
        if len({_plain("_".join(parts[-depth:])) for parts in paths}) == len(paths):
            return depth
    return 1


def _parts_of(name: str, *, words: bool) -> _Parts:
    path = PurePosixPath(name)
    stem = path.stem if has_image_ending(path.name) else path.name
    return tuple(_clean(part, words=words) for part in (*path.parts[:-1], stem) if part not in ("..", "/"))


def _clean(part: str, *, words: bool) -> str:
    """Text that every format and disk can hold, and that is not hidden."""
    text = _NOT_TEXT.sub("_", part)
    text = _NOT_A_WORD.sub("_", text) if words else text
    return _short(re.sub(r"^\.+|[. ]+$", "_", text))


def _short(text: str) -> str:
    return text.encode()[-_LONGEST:].decode(errors="ignore")


def _plain(text: str) -> str:
    """The same for all names that some disk treats as one."""
    return unicodedata.normalize("NFC", text).casefold()


def _ending_of(path: Path) -> str:
    """Its own if that is an image's; else by its first bytes."""
    if has_image_ending(path):
        return path.suffix
    with path.open("rb") as stream:
        return _ENDINGS.get(stream.read(2), ".jpg")
