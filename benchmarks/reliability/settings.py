"""Odd settings of all commands: is each taken or refused in words?

python -m benchmarks.reliability.settings [--inputs 20000] [--seed 0]

One or two settings of a command, or what is no setting, get values of every kind, in a settings file or after --set:
numbers of thousands of digits, YAML tags, dates, lists, control characters. No network is built and nothing is run.
It is the test in `tests/property/test_settings.py` with more inputs; a thousand take about ten seconds.
"""

import argparse
import sys
import tempfile
import warnings
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tests.property.test_settings import SCHEMAS, overrides, taken

from benchmarks.reliability.tally import Tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for schema in SCHEMAS.values():  # what is imported at the first input is no memory of it
        taken(schema, [])
    tally = Tally(read="taken")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "settings.yaml"

        @seed(options.seed)
        @settings(
            max_examples=options.inputs,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(data=st.data())
        def study(data: st.DataObject) -> None:
            name = data.draw(st.sampled_from(sorted(SCHEMAS)))
            lines, in_a_file = data.draw(overrides(SCHEMAS[name])), data.draw(st.booleans())
            if in_a_file:
                text = "\n".join(line.replace("=", ": ", 1) for line in lines)
                file.write_bytes(text.encode("utf-8", "surrogatepass"))
            given_so = {"lines": [], "file": file} if in_a_file else {"lines": lines}
            tally.judge(f"{name}, {[line[:80] for line in lines]}", lambda: taken(SCHEMAS[name], **given_so))

        study()
    print(tally)
    return tally.status


if __name__ == "__main__":
    sys.exit(main())
