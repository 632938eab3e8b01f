"""Spoilt labeled data sets: is each refused in words, or read with every object or a count of what is lost?

python -m benchmarks.reliability.labels [--inputs 3000] [--seed 0]

Data sets of all the layouts that are read are spoilt one to three times by chance: files moved, renamed, hidden,
recoded, taken away, and hostile values put into them. Each is read as `data check` and as `train` read it, and both
must agree. A third of them only have files moved: there, every object must be found or be counted in the report. It is
the test in `tests/property/test_reading.py` with more inputs; a thousand take about a minute.
"""

import argparse
import sys
import tempfile
import warnings

from tests.property.test_reading import KEEPING, LAYOUTS, SPOILING, judge

from benchmarks.reliability.tally import Tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=3_000)
    parser.add_argument("--seed", type=int, default=0, help="of the first input; the next has the next")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    tally = Tally("data sets")
    with tempfile.TemporaryDirectory() as folder:
        tempfile.tempdir = folder
        for seed in range(options.seed, options.seed + options.inputs):
            layout = LAYOUTS[seed % len(LAYOUTS)]
            ways = KEEPING if seed // len(LAYOUTS) % 3 == 0 else SPOILING
            count = 1 if ways is KEEPING else 1 + seed // 7 % 3
            tally.judge(
                f"seed {seed}, {layout.__name__}",
                lambda layout=layout, ways=ways, seed=seed, count=count: judge(layout, ways, seed, count),
            )
        tempfile.tempdir = None
    print(tally)
    return tally.status


if __name__ == "__main__":
    sys.exit(main())
