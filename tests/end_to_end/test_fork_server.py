"""Forked programs start and end as those do that Python was started for."""

import os
import signal
import subprocess
import sys

import pytest

from tests.fork_server import BOTH_WAYS

PROGRAMS = {
    "it ends": "import sys; print(sys.argv, sys.path[0])",
    "it has a status": "import sys; print('a'); print('b', file=sys.stderr); sys.exit(3)",
    "it has a last word": "import sys; print('a'); sys.exit('a reason')",
    "it fails": "import sys; sys.excepthook = lambda kind, *_: print(kind); raise ValueError",
    "it is killed": "import os; print('a', flush=True); os.kill(os.getpid(), 9)",
    "something is done at the end": "import atexit; atexit.register(print, 'at the end'); print('a')",
    "where it is": "import os; print(os.getcwd(), os.environ['MINE'], sorted(os.listdir('/proc/self/fd')))",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_does_what_it_would_do_alone(forked, tmp_path, name):
    how = {"cwd": tmp_path, "env": os.environ | {"MINE": "\udcff"}}
    mine = forked.run("-c", PROGRAMS[name], "one", "ü two", errors="surrogateescape", **how)
    words = [sys.executable, "-c", PROGRAMS[name], "one", "ü two"]
    other = subprocess.run(words, capture_output=True, text=True, errors="surrogateescape", check=False, **how)
    assert (mine.returncode, mine.stdout, mine.stderr) == (other.returncode, other.stdout, other.stderr)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")  # noqa: PTH110
def test_what_cannot_be_written_at_the_end_is_an_error(forked):
    words = "-c", "print('a')"
    with open("/dev/full", "w") as full:  # noqa: PTH123
        alone = subprocess.run([sys.executable, *words], stdout=full, stderr=subprocess.DEVNULL, check=False)
        assert forked.run(*words, stdout=full).returncode == alone.returncode != 0


def test_a_program_is_talked_with_and_ended(forked):
    program = "print('ready', flush=True); print(input().upper(), flush=True); input()"
    with forked.start("-c", program, **BOTH_WAYS) as begun:
        assert begun.stdout.readline() == "ready\n"
        assert begun.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            begun.wait(0.01)
        begun.stdin.write("hello\n")
        begun.stdin.flush()
        assert begun.stdout.readline() == "HELLO\n"
        os.kill(begun.pid, 0)
        begun.terminate()
        assert begun.wait(30) == -signal.SIGTERM
        begun.kill()
    assert begun.poll() == -signal.SIGTERM
