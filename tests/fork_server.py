"""Python programs as processes, without the seconds that each of them needs to import PyTorch.

A server has imported what they use; it forks one child for each of them, which gets arguments, environment, working
folder and pipes of its own, and ends as any Python process does. A program that shall find other modules, or an
environment that is read while modules are imported, needs a process that was not forked.
"""

import atexit
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path
from types import ModuleType

IMPORTED = ("condetr.cli.main", "condetr.api.detector", "condetr.api.load", "condetr.workflows.training")
BOTH_WAYS = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}  # to talk with a program


class ForkServer:
    """Starts programs; the server begins with the first of them."""

    def __init__(self) -> None:
        self._server: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
            self._process.wait()

    def start(self, *words, stdin=None, stdout=None, stderr=None, cwd=None, env=None, text=False, errors=None):
        """``python *words``, the first of which is ``-c`` or ``-m``, with the options of subprocess.Popen."""
        if self._server is None:
            self._server, self._process = _begun()
        request = {"words": [*map(str, words)], "cwd": str(cwd or Path.cwd()), "env": dict(env or os.environ)}
        content = json.dumps(request).encode()
        status, its_status = socket.socketpair()
        with ExitStack() as theirs:
            theirs.enter_context(its_status)
            pipes = [_pipe(wanted, number, theirs) for number, wanted in enumerate((stdin, stdout, stderr))]
            descriptors = [*(its for its, _ in pipes), its_status.fileno()]
            socket.send_fds(self._server, [len(content).to_bytes(8)], descriptors)
            self._server.sendall(content)
        binary, how = ("", {"errors": errors}) if text else ("b", {})
        return ForkedProcess(
            status,
            *(
                None if ours is None else os.fdopen(ours, ("r" if number else "w") + binary, **how)
                for number, (_, ours) in enumerate(pipes)
            ),
        )

    def run(self, *words, timeout=None, **options):
        """To its end; unless they go elsewhere, with its outputs as text."""
        process = self.start(*words, **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options)
        try:
            outputs = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
        return subprocess.CompletedProcess(words, process.returncode, *outputs)


class ForkedProcess:
    """What tests use of subprocess.Popen, for a process that is no child of this one."""

    def __init__(self, status, stdin, stdout, stderr) -> None:
        self.stdin, self.stdout, self.stderr = stdin, stdout, stderr
        self.returncode: int | None = None
        self._status = status
        self.pid = self._received()

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self.wait()

    def poll(self) -> int | None:
        try:
            return self.wait(timeout=0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            self._status.settimeout(timeout)
            try:
                self.returncode = os.waitstatus_to_exitcode(self._received())
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired("a forked program", timeout) from None
            self._status.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def communicate(self, timeout: float | None = None):
        if self.stdin is not None:
            self.stdin.close()
        contents = [None, None]

        def read(number, stream):
            contents[number] = stream.read()

        outputs = [output for output in enumerate((self.stdout, self.stderr)) if output[1] is not None]
        readers = [
            threading.Thread(target=read, args=output, daemon=True) for output in outputs if not output[1].closed
        ]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join()
        self._close()
        return tuple(contents)

    def _close(self) -> None:
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()

    def _received(self) -> int:
        message = self._status.recv(8)
        assert message, "the fork server has ended"
        return int.from_bytes(message)


def _begun() -> tuple[socket.socket, "subprocess.Popen[bytes]"]:
    """Without threads, which a fork would lose; it ends with this connection."""
    ours, its = socket.socketpair()
    with its:
        process = subprocess.Popen(
            [sys.executable, __file__, str(its.fileno())],
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[its.fileno()],
        )
    return ours, process


def _pipe(wanted, number: int, theirs: ExitStack) -> tuple[int, int | None]:
    """The descriptor of the program, and the other end of its pipe."""
    if wanted is None:
        return number, None
    if wanted not in (subprocess.PIPE, subprocess.DEVNULL):
        return wanted.fileno(), None
    ours = None
    if wanted == subprocess.DEVNULL:
        its = os.open(os.devnull, os.O_RDWR)
    elif number:
        ours, its = os.pipe()
    else:
        its, ours = os.pipe()
    theirs.callback(os.close, its)
    return its, ours


def _request(server: socket.socket) -> list[str]:
    """Forks for every request until nobody can ask; returns in the child, as the program, with its words."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for parents
    while True:
        size, descriptors, _, _ = socket.recv_fds(server, 8, 4)
        if not size:
            os._exit(0)
        content = server.recv(int.from_bytes(size), socket.MSG_WAITALL)
        if os.fork() == 0:
            break
        for descriptor in descriptors:
            os.close(descriptor)
    server.close()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    status = descriptors.pop()
    program = os.fork()
    if program:  # its parent, which tells its process number and how it ended
        for descriptor in descriptors:
            os.close(descriptor)
        os.write(status, program.to_bytes(8))
        os.write(status, os.waitpid(program, 0)[1].to_bytes(8))
        os._exit(0)
    os.close(status)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    request = json.loads(content)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    return request["words"]


def _run(kind: str, program: str, *words: str) -> None:
    if kind == "-m":
        sys.path[0], sys.argv[1:] = os.getcwd(), words  # noqa: PTH109
        runpy.run_module(program, run_name="__main__", alter_sys=True)
        return
    sys.path[0], sys.argv[:] = "", ["-c", *words]
    sys.modules["__main__"] = main = ModuleType("__main__")
    exec(compile(program, "<string>", "exec"), main.__dict__)


class _End:
    """Ends a program that ended by itself, after everything it registered to be done then.

    Python would now take all modules apart, which lasts a second with PyTorch.
    """

    status: int | None = None

    def __call__(self) -> None:
        if self.status is None:
            gc.unfreeze()  # libraries report what is never collected
            return
        try:
            for stream in (sys.stdout, sys.stderr):
                if stream is not None and not stream.closed:
                    stream.flush()
        except OSError:
            os._exit(120)  # as Python does
        os._exit(self.status)


def main() -> None:
    end = _End()
    atexit.register(end)  # before any library does, and so called after theirs
    asked = socket.socket(fileno=int(sys.argv[1]))
    sys.path[0] = ""  # not the folder of this file
    for name in IMPORTED:
        import_module(name)
    gc.collect()
    gc.freeze()  # or the collector of every program would copy all of it
    words = _request(asked)
    try:
        _run(*words)
        end.status = 0
    except SystemExit as error:
        end.status = error.code if isinstance(error.code, int) else int(error.code is not None)
        raise


if __name__ == "__main__":
    main()
