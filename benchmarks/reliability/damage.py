"""What can happen to a file of a training run."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

from condetr.training.run.checkpointing import contents_of

Damage = Callable[[Path], object]  # of the file at the path
ROWS = (
    *(b"{\n", b"\xff\xfe\n", b"[1,2]\n", b"null\n", b'{"epoch": 1}\n', b'{"step": "a"}\n', b'{"step": null}\n'),
    *(b'{"step": 1, "loss": {"a": 1}}\n', b'{"step": 1, "loss": NaN}\n', b'{"step": 1e999}\n', b"9" * 6000 + b"\n"),
    *(b"[" * 100_000 + b"\n", b'{"step":1,"ap":"high"}\n'),
)  # fmt: skip
LINES = (b"\nx: y\n", b"\nlr: !!bool x\n", b"\n&a\n", b"\nbatch: [1]\n")
VALUES = (None, [], "x", -1, 1e999)


def damages_of(path: Path, chance: Random) -> Iterator[tuple[str, Damage]]:
    """Each with its name. No flipped bits in settings, where another value may come of it."""
    data = path.read_bytes()
    yield "gone", Path.unlink
    yield "a folder", made_a_folder
    contents = {
        "empty": b"",
        "half": data[: len(data) // 2],
        "of zeros": bytes(len(data)),
        "a web page": b"<html>nothing here</html>\n",
        "of random bytes": chance.randbytes(500),
    }
    if path.parent.name.startswith("step-") and data:
        contents["with a flipped bit"] = flipped(data, chance)
    if path.suffix in (".json", ".jsonl"):
        contents |= {f"only {text}": text.encode() for text in ("[]", "{}", "null", "7")}
        contents["in UTF-16"] = data.decode().encode("utf-16")
    if path.suffix == ".yaml":
        contents |= {f"with {text!r}": data + text for text in LINES}
    if path.suffix == ".jsonl":
        first, *others = data.splitlines(keepends=True)
        contents |= {f"with {row[:20]!r}": b"".join((first, row, *others)) for row in ROWS}
    for name, content in contents.items():
        yield name, writing(content)
    if path.name == "state.json":
        for name, content in states(json.loads(data)):
            yield f"{name}, hashes made anew", sealing(content)


def flipped(data: bytes, chance: Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ chance.choice((1, 4, 0x80, 0xFF))]) + data[place + 1 :]


def states(state: dict) -> Iterator[tuple[str, bytes]]:
    """Without each field, and with another value in its place, one level down as well."""
    for key, value in state.items():
        yield f"without {key}", json.dumps({name: state[name] for name in state if name != key}).encode()
        for other in VALUES:
            yield f"{key} is {other}", json.dumps(state | {key: other}).encode()
        if key in ("progress", "numbers") and isinstance(value, dict):
            for field in value:
                fewer = {name: value[name] for name in value if name != field}
                yield f"without {key}.{field}", json.dumps(state | {key: fewer}).encode()
                yield f"{key}.{field} is x", json.dumps(state | {key: value | {field: "x"}}).encode()


def made_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "x").write_text("x")


def writing(content: bytes) -> Damage:
    return lambda path: path.write_bytes(content)


def sealing(content: bytes) -> Damage:
    """Write it, and the manifest that fits."""

    def write(path: Path) -> None:
        path.write_bytes(content)
        manifest = path.with_name("manifest.json")
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"files": contents_of(path.parent)}))

    return write
