"""Good data sets, spoilt by chance: what files in the wild look like, and worse."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

from condetr.images.file_endings import has_image_ending

NUMBERS = ("NaN", "Infinity", "-Infinity", "1e400", "9" * 30, "9" * 5000, "-1", "0", "2", "0.5", "1_0", "\u0663")
VALUES = (
    "true",
    "false",
    "null",
    '""',
    '"x"',
    "[]",
    "{}",
    "[[]]",
    "!!bool x",
    "!!int ''",
    "&a *a",
    "%20",
    "&lt;",
    "&nope;",
)
NAMES = ('"\\ud800"', '"\\u0000"', '"../../x"', '"/etc/passwd"', '"C:\\\\x\\\\y.jpg"', "x" * 300)
CHARACTERS = ("\0", "\ufeff", "\u2028", "\r", "\n\n", "[" * 3000, "<a>" * 3000, "<!DOCTYPE a>")
HOSTILE = NUMBERS + VALUES + NAMES + CHARACTERS
HIDDEN = (".ipynb_checkpoints", ".git", "@eaDir", "__MACOSX")
JUNK = {
    "notes.json": b'{"categories": [], "info": {}}',
    "other.yaml": b"names: [a\ntrain: x: y",
    "docker-compose.yml": b"a: &b 1\nc: *b\n",
    "labels.txt": b"cat\ndog\n",
    "readme.txt": b"hello",
    "x.txt": b"0 0.5 0.5 0.1 0.1\n",
    "x.xml": b"<project/>",
    "x.json": b"[]",
    "._data.yaml": b"\0\5",
    "Thumbs.db": b"\0",
    "x.jpg": b"no picture",
}
ENCODINGS = ("utf-16", "utf-16-le", "utf-8-sig", "latin-1", "utf-32", "cp500")


def moved(root: Path, draw: Random) -> None:
    """Give a file or folder another name or place. Nothing of its content is lost."""
    path = draw.choice(_all(root))
    name, parent = path.name, path.parent
    new = draw.choice(
        (
            parent / name.upper(),
            parent / name.lower(),
            parent / f"{path.stem.title()}{path.suffix}",
            parent / name.replace("t0", "t%200"),
            parent / f"{path.stem.replace('t', 'é')}{path.suffix}",
            parent / f"{path.stem}.jpg{path.suffix}",
            parent / f"{path.stem}{path.suffix.upper()}",
            parent / f"x{name}",
            parent / "deeper" / name,
            root / name,
            parent.parent / name if parent != root else path,
            draw.choice([item for item in _all(root) if item.is_dir()] or [root]) / name,
        )
    )
    if not new.exists() and not new.is_relative_to(path):
        new.parent.mkdir(parents=True, exist_ok=True)
        path.rename(new)


def hidden(root: Path, draw: Random) -> None:
    """Give a file or folder a name that programs hide their own under."""
    path = draw.choice(_all(root))
    new = path.parent / draw.choice((f"._{path.name}", *(f"{name}/{path.name}" for name in HIDDEN)))
    new.parent.mkdir(exist_ok=True)
    path.rename(new)


def joined(root: Path, draw: Random) -> None:
    """Put something beside that is none of the data set."""
    folder = draw.choice([root, *(item for item in _all(root) if item.is_dir())])
    name = draw.choice(list(JUNK))
    if not (folder / name).exists():
        (folder / name).write_bytes(JUNK[name])


def linked(root: Path, draw: Random) -> None:
    """Put a link beside: to a folder, a file, nothing, or itself."""
    folder = draw.choice([root, *(item for item in _all(root) if item.is_dir())])
    link = folder / draw.choice(("link", "link.jpg", "link.txt", "train", "test", "images", "labels"))
    if not os.path.lexists(link):
        link.symlink_to(draw.choice((root, folder, link, root / "nowhere", draw.choice(_all(root)))))


def recoded(root: Path, draw: Random) -> None:
    """Write a text file in another encoding."""
    path = _text_file(root, draw)
    if path is not None:
        text = path.read_bytes().decode("utf-8", "replace")
        path.write_bytes(text.encode(draw.choice(ENCODINGS), "replace"))


def changed(root: Path, draw: Random) -> None:
    """Change some bytes or words of a text file."""
    path = _text_file(root, draw)
    if path is None:
        return
    text = path.read_bytes().decode("utf-8", "surrogateescape")
    words = text.split(" ")
    at = draw.randrange(len(words))
    kind = draw.randrange(6)
    if kind == 0:
        words[at] = draw.choice(HOSTILE)
    elif kind == 1:
        words[at:at] = [draw.choice(HOSTILE)]
    elif kind == 2:
        del words[at:]
    elif kind == 3:
        words[at:at] = words[max(at - 3, 0) : at + 1]
    text = " ".join(words)
    if kind == 4 and text:
        at = draw.randrange(len(text))
        text = text[:at] + chr(draw.randrange(256)) + text[at + 1 :]
    if kind == 5 and text:
        at = draw.randrange(len(text))
        text = text[:at] + text[at + draw.randrange(20) :]
    path.write_bytes(text.encode("utf-8", "surrogateescape" if draw.random() < 0.5 else "replace"))


def exchanged(root: Path, draw: Random) -> None:
    """Put a hostile value in the place of a field of a JSON file."""
    path = _text_file(root, draw, ".json")
    try:
        content = json.loads(path.read_text()) if path is not None else None
    except (ValueError, RecursionError):
        return
    tables: list[tuple[dict | list, str | int]] = []
    left: list = [content]
    while left:
        table = left.pop()
        keys = list(table) if isinstance(table, dict) else range(len(table)) if isinstance(table, list) else ()
        tables += [(table, key) for key in keys]
        left += [table[key] for key in keys]
    if path is None or not tables:
        return
    table, key = draw.choice(tables)
    mark = "@@"
    table[key] = mark  # type: ignore[index]
    path.write_text(json.dumps(content).replace(f'"{mark}"', draw.choice(HOSTILE)), encoding="utf-8")


def removed(root: Path, draw: Random) -> None:
    """Take a file or folder away, or put one of the other kind in its place."""
    path = draw.choice(_all(root))
    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if draw.random() < 0.3:
        path.mkdir() if draw.random() < 0.5 else path.write_bytes(b"")


KEEPING: tuple[Callable[[Path, Random], None], ...] = (moved, joined, linked)  # every object is still there, somewhere
SPOILING = (*KEEPING, hidden, recoded, changed, changed, changed, exchanged, exchanged, removed)


def _all(root: Path) -> list[Path]:
    """Every file and folder, in an order of its own; `root` where there is nothing left."""
    found = [Path(at) / name for at, folders, names in os.walk(root) for name in (*folders, *names)]
    return sorted(found) or [root / "nothing"]


def _text_file(root: Path, draw: Random, ending: str = "") -> Path | None:
    found = [
        path for path in _all(root) if path.is_file() and not has_image_ending(path) and path.name.endswith(ending)
    ]
    return draw.choice(found) if found else None
