"""Odd command lines of all commands: does each end with a status and one line that say what is wrong?

python -m benchmarks.reliability.command_lines [--inputs 1000] [--seed 0]

Arguments and up to three options of a command get odd values: numbers without end, names no file can have, folders in
place of files, damaged files. Each runs in this process, in a folder of a few files with a tiny model; training,
export, the servers and long measurements are replaced, so that it stops where they would begin. It must end with a
documented status, with one error line where it failed, and leave no empty folder. It is the test in
`tests/property/test_command_line.py` with more inputs and the servers' commands; a thousand take some minutes.
"""

import argparse
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from tests.property.test_command_line import answered, command_lines, commands, stop, working_in

from benchmarks.reliability.tally import Tally

DONE = (0, 3, 4)  # the others say that nothing was done


def emptied(place: Path) -> None:
    for path in place.iterdir():
        if path.is_dir() and not path.is_symlink():
            if path.name != "model":
                shutil.rmtree(path)
        else:
            path.unlink()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tally = Tally("command lines", read="done")
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary) / "here"  # `..` has nothing else
        folder.mkdir()
        patch = stack.enter_context(working_in(folder))
        for server in ("server.serve", "page_server.serve_page"):
            patch.setattr(f"condetr.serving.{server}", stop)

        @seed(options.seed)
        @settings(
            max_examples=options.inputs,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(words=command_lines(dict(commands())))
        def study(words: list[str]) -> None:
            emptied(folder)
            tally.judge(str([word[:60] for word in words]), lambda: answered(words) in DONE)

        study()
    print(tally)
    return tally.status


if __name__ == "__main__":
    sys.exit(main())
