"""Kill -9 at random times and inside saves: does every run go on, and to the same weights?

python -m benchmarks.kill_study [--random 20] [--inside 20] [--seed 0] [--workers 0] [--json FILE]

Each trial is a small training in a process of its own that is killed once, then resumed to its end. The bytes of its
last checkpoint are compared with those of a run that nobody disturbed. Inside a save, the n-th call that touches the
disk is chosen, and the process dies before it or after it.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tests.unit.training.runs import small_run, state_of
from tests.unit.training.scenes import write_scenes

from condetr.training.run import checkpoint_writer
from condetr.training.run.resume import newest_complete

CALLS = [(os, "fsync"), (os, "open"), (Path, "rename"), (Path, "mkdir"), (Path, "write_text"), (shutil, "rmtree")]


def in_a_process(act: Callable[[], object], kill_after: float | None = None) -> int:
    """What killed it, as a negative number, or its exit status."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        try:
            act()
        except BaseException as error:  # the parent must not run on in the child
            print(f"    {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def die_inside_a_save(number: int, *, after: bool) -> Callable[[], int]:
    """Count disk calls of saves, and die at the one with this number; gives how many there were."""
    counted, saving = [0], [False]

    def watched(call: Callable[..., object]) -> Callable[..., object]:
        def counting(*given: object, **named: object) -> object:
            counted[0] += saving[0]
            is_the_one = saving[0] and counted[0] == number
            if is_the_one and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = call(*given, **named)
            if is_the_one:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer

        return counting

    for owner, name in CALLS:
        setattr(owner, name, watched(getattr(owner, name)))
    save = checkpoint_writer.save_checkpoint

    def saving_checkpoint(*given: object) -> Path:
        saving[0] = True
        path = save(*given)
        saving[0] = False
        return path

    checkpoint_writer.save_checkpoint = saving_checkpoint
    return lambda: counted[0]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("random", 20), ("inside", 20), ("seed", 0), ("workers", 0)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    options = parser.parse_args()
    chance, settings = random.Random(options.seed), {"save_every": 2, "workers": options.workers}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        scenes = write_scenes(folder / "scenes", 10)
        begun = time.monotonic()
        assert in_a_process(lambda: small_run(folder / "whole", scenes, **settings)) == 0
        seconds, wanted = time.monotonic() - begun, state_of(folder / "whole")

        def count() -> None:
            counted = die_inside_a_save(0, after=False)
            small_run(folder / "counted", scenes, **settings)
            (folder / "calls").write_text(str(counted()))

        assert in_a_process(count) == 0
        calls = int((folder / "calls").read_text())
        print(f"undisturbed: {seconds:.1f} s, {calls} disk calls inside saves")
        rows = []
        for trial in range(options.random + options.inside):
            run = folder / f"run-{trial}"
            if trial < options.random:
                died = 0
                while died != -signal.SIGKILL:  # it may have ended before its time
                    shutil.rmtree(run, ignore_errors=True)
                    at = chance.uniform(0, seconds)
                    died = in_a_process(lambda r=run: small_run(r, scenes, **settings), kill_after=at)
                told = f"after {at:.2f} s"
            else:
                number, after = chance.randint(1, calls), chance.random() < 0.5

                def doomed(r: Path = run, n: int = number, a: bool = after) -> None:
                    die_inside_a_save(n, after=a)
                    small_run(r, scenes, **settings)

                died = in_a_process(doomed)
                told = f"{'after' if after else 'before'} disk call {number} of {calls}"
            rows.append({"killed": told, "died_of": died, **resumed(run, scenes, settings, wanted)})
            print(json.dumps(rows[-1]))
            shutil.rmtree(run, ignore_errors=True)
        good = sum(row["same"] for row in rows)
        print(f"{good} of {len(rows)} went on to the same weights")
        if options.json:
            options.json.write_text(json.dumps({"calls_inside_saves": calls, "trials": rows}, indent=1) + "\n")
    return 0 if good == len(rows) else 1


def resumed(run: Path, scenes: object, settings: dict[str, int], wanted: str) -> dict[str, object]:
    """Resume, or begin if the run had not begun; nothing is cleaned up by hand."""
    begun = (run / "checkpoints").is_dir()
    newest = newest_complete(run / "checkpoints")[0] if begun else None
    status = in_a_process(lambda: small_run(run, scenes, resume=begun, **settings))
    left = [path.name for path in (run / "checkpoints").iterdir() if not path.name.startswith("step-")]
    same = status == 0 and state_of(run) == wanted and not left
    return {"went_on_from": newest.name if newest else "the beginning", "same": same}


if __name__ == "__main__":
    sys.exit(main())
