"""How busy an accelerator is while something runs, as its driver's tool tells."""

import shutil
import subprocess
import threading
from types import TracebackType
from typing import Self

_ASK = ("--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "--loop-ms=500")


class Utilisation:
    """Asks `nvidia-smi` twice a second as long as the block lasts; without it nothing is known."""

    def __init__(self, wanted: bool) -> None:
        self._program = shutil.which("nvidia-smi") if wanted else None
        self._seen: list[float] = []
        self._process: subprocess.Popen[str] | None = None
        self._thread: threading.Thread | None = None

    @property
    def percent(self) -> float | None:
        """Mean share of the time in which something ran on it; None: it is not known."""
        return sum(self._seen) / len(self._seen) if self._seen else None

    def __enter__(self) -> Self:
        if self._program:
            command = [self._program, *_ASK]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
            self._thread = threading.Thread(target=self._read, args=(self._process,), daemon=True)
            self._thread.start()
        return self

    def _read(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            if line.strip().isdecimal():
                self._seen.append(float(line))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._thread is not None:
            self._process.terminate()
            self._process.wait()
            self._thread.join()
