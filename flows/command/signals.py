"""How the command ends when it is asked to: Ctrl-C and SIGTERM."""

import math
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import NoReturn

_MESSAGE = "interrupted; the same command goes on where it stopped"
_GRACE = 5.0
"""Seconds between the signal and the hard end."""
_SHOW_CURSOR = b"\r\x1b[K\x1b[?25h"

_last_steps: list[Callable[[], None]] = []


class Interrupted(BaseException):
    """The process was asked to end. Not a KeyboardInterrupt, which click and asyncio make something else of."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


def before_hard_end(step: Callable[[], None]) -> None:
    """Have `step` called, from another thread, before a process that does not end by itself is ended."""
    _last_steps.append(step)


def end_hard(message: str, code: int) -> NoReturn:
    """End the process now, whatever its threads do: not for what can end by itself."""
    if os.isatty(1):
        with suppress(OSError):
            os.write(1, _SHOW_CURSOR)  # the progress bar hides it
    with suppress(OSError):
        os.write(2, f"{message}\n".encode())
    for step in _last_steps:
        step()
    os._exit(code)


@contextmanager
def ending_on_signals() -> Generator[None]:
    """End the process within seconds of SIGINT or SIGTERM, with one line on stderr and code 130 or 143.

    The signal raises `Interrupted` in the main thread, so that Prefect learns that the run has ended. That waits for
    the shards in flight, which may take minutes, so the process is ended anyway after `_GRACE` or at a second Ctrl-C:
    commits are atomic, nothing is lost but work. Only for the main thread; elsewhere it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    ending = _Ending()
    ending.listen()
    try:
        yield
    except BaseException as error:
        done = isinstance(error, SystemExit) and not error.code
        if ending.received is None or done:
            ending.forget()
            raise
        # What came out may be an error that the signal led to. The listener stays: Prefect's threads, which the
        # interpreter waits for, may hold up the end.
        ending.quiet()
        ending.tell()
        sys.exit(128 + ending.received)
    ending.forget()


class _Ending:
    """Handlers of the two signals, and a thread that sees the signals too and ends the process if need be.

    The thread reads the file descriptor that Python writes every signal to, whichever handler is installed: during a
    flow Prefect replaces the one of SIGTERM, and hands the signal on only after all shards in flight have ended.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._told = threading.Lock()
        # A process started in the background ignores SIGINT, and is to go on doing so.
        wanted = [one for one in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(one) is not signal.SIG_IGN]
        self._before = {number: signal.getsignal(number) for number in wanted}
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._wakeup_before = -1

    def listen(self) -> None:
        """Install handlers and thread."""
        self._wakeup_before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="signals", daemon=True).start()
        for number in self._before:
            signal.signal(number, self._raise)

    def quiet(self) -> None:
        """Raise no more; a second Ctrl-C still ends the process."""
        for number in self._before:
            signal.signal(number, lambda *_: None)

    def forget(self) -> None:
        """Restore what was there before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        os.close(self._writer)

    def tell(self) -> None:
        """Write the message, unless it was written."""
        # Not through sys.stderr, whose lock a thread may hold that never lets go of it.
        if self._told.acquire(blocking=False):
            with suppress(OSError):
                os.write(2, f"{_MESSAGE}\n".encode())

    def _raise(self, number: int, _: FrameType | None) -> NoReturn:
        self.received = self.received or number
        raise Interrupted(number)

    def _watch(self) -> None:
        deadline = math.inf
        while True:
            left = None if deadline == math.inf else max(0.0, deadline - time.monotonic())
            if not select.select([self._reader], [], [], left)[0]:
                self._end()
            read = os.read(self._reader, 1)
            if not read:
                os.close(self._reader)
                return
            number = read[0]
            if number not in self._before:
                continue
            if deadline == math.inf:
                self.received = self.received or number
                deadline = time.monotonic() + _GRACE
            elif number == signal.SIGINT:  # Prefect repeats SIGTERM, only a person repeats SIGINT
                self._end()

    def _end(self) -> NoReturn:
        """Not sys.exit: that waits for threads that fetch, and for Prefect's."""
        if os.isatty(1):
            with suppress(OSError):
                os.write(1, _SHOW_CURSOR)  # the progress bar hides it
        self.tell()
        for step in _last_steps:
            step()
        os._exit(128 + (self.received or signal.SIGINT))
