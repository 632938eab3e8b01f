"""A process beside the service, which ends it and tidies up; light programs in its place."""

import signal
import subprocess
import sys

import pytest

PROGRAM = """
import signal, sys, threading
from pathlib import Path
from condetr.serving.process.process_exit import exit_timer
from condetr.serving.process.watchdog import watchdog

folder = Path(sys.argv[1])
(folder / "sent.png").touch()
with watchdog(SECONDS, folder) as wakeup, exit_timer(folder) as end_within:
    signal.signal(signal.SIGTERM, lambda *_: HANDLER)
    signal.set_wakeup_fd(wakeup)
    print("ready", flush=True)
    WORK
"""
HOLDS_THE_LOCK = "sum(range(10**15))"  # for weeks, and no other thread runs meanwhile
STUCK = "threading.Thread(target=threading.Event().wait).start()"
CASES = {
    "it ends by itself": ("sys.exit(3)", "signal.pause()", 60, 3),
    "the lock is held": ("None", HOLDS_THE_LOCK, 0.3, -signal.SIGKILL),
    "a thread is stuck": ("end_within(0.2, 7)", f"{STUCK}; signal.pause()", 60, 7),
    "nothing answers": ("None", f"{STUCK}; signal.pause(); signal.pause()", 0.3, -signal.SIGKILL),
}


@pytest.fixture
def started(tmp_path):
    def start(handler, work, seconds):
        program = PROGRAM.replace("SECONDS", str(seconds)).replace("HANDLER", handler).replace("WORK", work)
        process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "page")], stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == b"ready\n"
        return process

    processes = []
    (tmp_path / "page").mkdir()
    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def is_tidied_up(folder):
    """Waits for it: the keeper outlives the process."""
    from tests.unit.serving.served import eventually

    eventually(lambda: not folder.exists())
    return True


@pytest.mark.parametrize("case", CASES)
def test_a_process_is_gone_in_time_whatever_its_threads_do(started, tmp_path, case):
    handler, work, seconds, status = CASES[case]
    process = started(handler, work, seconds)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == status
    assert is_tidied_up(tmp_path / "page")


def test_a_process_that_is_killed_leaves_nothing(started, tmp_path):
    process = started("None", "signal.pause()", 60)
    process.kill()
    process.wait(60)
    assert is_tidied_up(tmp_path / "page")
