"""A command of the operator's that runs when Label Studio asks for training."""

import subprocess
import tempfile
from collections.abc import Sequence


class TrainHook:
    """Runs one command at a time, without a shell; the request is its standard input.

    A command that begins while another runs would train on the same labels twice.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, request: bytes) -> bool:
        """Start the command; False if it is running already.

        Raises:
            OSError: it cannot be started.
        """
        if self.is_running:
            return False
        with tempfile.TemporaryFile() as file:
            file.write(request)
            file.seek(0)
            self._process = subprocess.Popen(self._command, stdin=file)  # noqa: S603  the operator's own command
        return True
