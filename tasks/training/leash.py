"""Runs a command that ends with whoever started it: `python leash.py GRACE PROGRAM [ARGUMENT ...]`.

When stdin ends, because it is closed or because who holds its other end is dead, the command gets SIGTERM, it alone:
what it has started, as processes that read for it, it may need to end well. After GRACE seconds its session gets
SIGKILL. So does whatever it leaves behind, also in sessions of its own. The exit code is the command's, negative
signals as 128 + number, as shells have it. Nothing of the package is imported: it starts in no time.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def main(grace: float, command: list[str]) -> int:
    """Run the command to its end, or until stdin ends."""
    # Who ends the process group of the flow must not end this before the command has had its grace.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    def heed_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)

    # Whose parent has ended becomes a child of this process, instead of getting away. Only Linux has it.
    with suppress(AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    try:
        job = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=heed_signals, close_fds=True
        )
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr, flush=True)
        return 127 if isinstance(error, FileNotFoundError) else 126
    threading.Thread(target=_end_with_stdin, args=(job, grace), daemon=True).start()
    code = job.wait()
    _kill_session(job)
    _kill_children()
    return 128 - code if code < 0 else code


def _end_with_stdin(job: "subprocess.Popen[bytes]", grace: float) -> None:
    while os.read(0, 4096):
        pass
    job.send_signal(signal.SIGTERM)
    time.sleep(grace)
    _kill_session(job)


def _kill_session(job: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(job.pid, signal.SIGKILL)


def _kill_children() -> None:
    """End what the command has left behind, and what that leaves behind in turn, as each becomes a child of this."""
    while children := _children():
        for child in children:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(child, signal.SIGKILL)
        with suppress(ChildProcessError):
            os.waitpid(-1, 0)


def _children() -> list[int]:
    found: list[int] = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(stat.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.append(int(stat.parent.name))
    return found


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), sys.argv[2:]))
