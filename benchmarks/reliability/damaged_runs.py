"""Damaged files of a training run: does --resume go on to the same weights, or say what is damaged?

python -m benchmarks.reliability.damaged_runs [--only TEXT] [--seed 0]

A tiny run is trained for one epoch. Then each of its files in turn is removed, cut, exchanged, or damaged in its fields
and rows, in a copy that is resumed for a second epoch in this process. Right is: the weights of an undamaged run; or
a documented status and one error line; or, where config.yaml is gone or empty, the defaults, and a line
for each setting that changed. All of it takes about five minutes.
"""

import argparse
import contextlib
import hashlib
import io
import shutil
import sys
import tempfile
from pathlib import Path
from random import Random

import torch
from tests.unit.cli.commands.test_train import SMALL

from benchmarks.reliability.damage import Damage, damages_of
from benchmarks.reliability.tally import Tally
from condetr.cli.main import run
from condetr.data.demo.scene_folder import write_scenes

REFUSED = (2, 3, 5, 6)


def train(folder: Path, *more: str) -> tuple[int, str]:
    """The exit status, and what stands on stderr."""
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        status = run(["train", str(folder.parent / "data"), "--output", str(folder), *more])
    return status, said.getvalue()


def resume(folder: Path) -> tuple[int, str]:
    return train(folder, "--resume", "--epochs", "2")


def weights_of(folder: Path) -> str:
    """A hash of the newest checkpoint's tensors."""
    newest = max((folder / "checkpoints").glob("step-*"), key=lambda path: int(path.name.removeprefix("step-")))
    tensors = b"".join(path.read_bytes() for path in sorted(newest.glob("*.safetensors")))
    return newest.name + hashlib.sha256(tensors).hexdigest()


def went_on(whole: Path, file: Path, damage: Damage, expected: str) -> bool:
    """Whether the damaged copy was trained; if not, it is refused in words."""
    folder = whole.with_name("damaged")
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole, folder)
    damage(folder / file)
    status, said = resume(folder)
    if status == 0:
        settings_gone = file.name == "config.yaml" and " changes from " in said
        assert settings_gone or weights_of(folder) == expected, f"other weights: {said[-200:]}"
        return True
    assert status in REFUSED, f"ended with {status}: {said[-200:]}"
    assert said.count("condetr: error: ") == 1, f"no error line: {said[-200:]}"
    return False


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="the files with this text in their path")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root, chance = Path(temporary), Random(options.seed)
        write_scenes(root / "data", train=8, val=2)
        (root / "small.yaml").write_text(f"{SMALL}schedule: constant\n")
        assert train(root / "whole", "--config", str(root / "small.yaml"))[0] == 0
        shutil.copytree(root / "whole", root / "undamaged")
        assert resume(root / "undamaged")[0] == 0
        expected, tally = weights_of(root / "undamaged"), Tally("damaged runs", read="went on")
        for path in sorted(path for path in (root / "whole").rglob("*") if path.is_file()):
            file = path.relative_to(root / "whole")
            for name, damage in damages_of(path, chance) if options.only in str(file) else ():
                tally.judge(
                    f"{file} {name}",
                    lambda file=file, damage=damage: went_on(root / "whole", file, damage, expected),
                )
    print(tally)
    return tally.status


if __name__ == "__main__":
    sys.exit(main())
