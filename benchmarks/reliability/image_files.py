"""Hostile and mutated image files: is each read or refused in words, soon, and within little memory?

python -m benchmarks.reliability.image_files [--seconds 120] [--seed 0] [--folder DIR]

Each hostile file (and each file of DIR) is read in a process of its own that may take 5 GB of addresses: as a path, as
bytes, as a stream, and its size alone. It may take 10 s and 1 GB: the pixels of an image at the limit of 100 million
take most of that. This takes about half a minute. Then small honest files of every format are changed by chance for
the seconds given, and read in this process. Linux only.
"""

import argparse
import contextlib
import io
import itertools
import json
import logging
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random

from benchmarks.reliability.hostile_files import hostile_files
from benchmarks.reliability.mutated_files import honest_files, mutated
from benchmarks.reliability.tally import MOST_SECONDS, Tally, megabytes, memory_now
from condetr.core.errors import CondetrError
from condetr.images.decoding.decode import decode
from condetr.images.decoding.headers import upright_size

ADDRESSES, SECONDS, MEGABYTES = 5 * 2**30, 10, 1_000


def read_in_every_way(path: Path) -> tuple[bool, float, float]:
    """Whether any way gives an image; the processor's seconds of the slowest, and the memory in MB."""
    data, slowest, was_read = path.read_bytes(), 0.0, False
    before = memory_now()
    for read in (
        lambda: decode(path),
        lambda: decode(data),
        lambda: decode(io.BytesIO(data)),
        lambda: upright_size(path),
    ):
        begun = time.process_time()
        try:
            read()
            was_read = True
        except CondetrError as error:
            if not str(error):
                raise
        slowest = max(slowest, time.process_time() - begun)
    return was_read, slowest, megabytes("VmHWM") - before


def in_a_process(path: Path) -> tuple[int, list]:
    """Its exit status, and what `read_in_every_way` gives there."""
    answer, child = path.with_suffix(".json"), os.fork()
    if child == 0:
        try:
            most = int(megabytes("VmSize") * 2**20) + ADDRESSES
            resource.setrlimit(resource.RLIMIT_AS, (most, most))
            resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS))
            answer.write_text(json.dumps(read_in_every_way(path)))
        except BaseException as error:  # the parent must not run on in the child
            print(f"    {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status, json.loads(answer.read_text()) if status == 0 else []


def study_hostile(files: Iterable[tuple[str, bytes]]) -> Tally:
    tally = Tally("hostile files")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        for name, data in files:
            path.write_bytes(data)
            status, answer = in_a_process(path)
            if status:
                tally.add_wrong(name, f"ended with {status}")
                continue
            was_read, seconds, memory = answer
            if seconds > SECONDS or memory > MEGABYTES:
                tally.add_wrong(name, f"took {seconds:.1f} s and {memory:.0f} MB", seconds, memory)
            else:
                tally.add(read=was_read, seconds=seconds, megabytes=memory)
    return tally


@contextlib.contextmanager
def nothing_on_stderr() -> Iterator[None]:
    """Where libtiff writes lines of its own about damaged files."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)


def study_mutated(seconds: float, seed: int) -> Tally:
    tally, chance, honest = Tally("mutated files"), Random(seed), honest_files()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutated(chance.choice(honest), chance)

        def read(data: bytes = data) -> bool:
            try:
                decode(data)
            except CondetrError as error:
                if not str(error):
                    raise
                return False
            return True

        tally.judge(f"{len(data)} bytes, {data[:16].hex(' ')} ...", read)
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120, help="for mutated files")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="more hostile files")
    options = parser.parse_args()
    logging.disable()
    warnings.simplefilter("ignore")
    for data in honest_files():  # what is imported at the first file of a format is no memory of a hostile one
        with contextlib.suppress(CondetrError):
            decode(data)
    files = [*sorted(path for path in options.folder.iterdir() if path.is_file())] if options.folder else []
    tallies = [study_hostile(itertools.chain(hostile_files(), ((path.name, path.read_bytes()) for path in files)))]
    with nothing_on_stderr():
        tallies.append(study_mutated(options.seconds, options.seed))
    print(*tallies, sep="\n")
    return max(tally.status for tally in tallies)


if __name__ == "__main__":
    sys.exit(main())
