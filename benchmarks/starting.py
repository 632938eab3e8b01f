"""How long `import condetr` and `condetr --help` take, against what they may take.

python -m benchmarks.starting [--rounds 5] [--json FILE]

A process each time; seconds are those that the processor worked for it. The ratio is (goal / time).
"""

import sys

from benchmarks.against_peer import arguments, report, write
from benchmarks.first_image import cost_of
from benchmarks.interleave import Comparison

ALLOWED = {
    "import condetr": (0.15, [sys.executable, "-c", "import condetr"]),
    "condetr --help": (0.4, [sys.executable, "-m", "condetr", "--help"]),
}


def main() -> None:
    options = arguments(__doc__)
    rows = []
    for name, (allowed, command) in ALLOWED.items():
        seconds = tuple(cost_of(command).seconds for _ in range(options.rounds + 1))[1:]
        timed = Comparison(seconds, (allowed,) * options.rounds)
        rows.append(report(name, timed, deviation=0.0, goal=1.0))
    write(rows, options.json)


if __name__ == "__main__":
    main()
