"""Runs a command that ends with whoever started it: `python leash.py GRACE PROGRAM [ARGUMENT ...]`.

The command is in a session of its own, with all that it starts. When stdin ends, because it is closed or because who
holds its other end is dead, the session gets SIGTERM, and SIGKILL after GRACE seconds. The exit code is the command's,
negative signals as 128 + number, as shells have it. Nothing of the package is imported: it starts in no time.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress


def main(grace: float, command: list[str]) -> int:
    """Run the command to its end, or until stdin ends."""
    # Who ends the process group of the flow must not end this before the command has had its grace.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    def heed_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    try:
        job = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=heed_signals, close_fds=True
        )
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        return 127 if isinstance(error, FileNotFoundError) else 126
    threading.Thread(target=_end_with_stdin, args=(job, grace), daemon=True).start()
    code = job.wait()
    _signal(job, signal.SIGKILL)  # what it has left behind
    return 128 - code if code < 0 else code


def _end_with_stdin(job: "subprocess.Popen[bytes]", grace: float) -> None:
    while os.read(0, 4096):
        pass
    _signal(job, signal.SIGTERM)
    time.sleep(grace)
    _signal(job, signal.SIGKILL)


def _signal(job: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(job.pid, number)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
