"""Prefect's server for the life of one command, where no other is set.

Prefect can start one itself, but as a child that a terminal's Ctrl-C ends before the run has ended, and that outlives a
parent which is killed. This one is in a session of its own, and ends with its parent however that ends.
"""

import atexit
import http.client
import os
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO

_STOPPING = 3.0
"""Seconds a server has to end."""


def ensure_server() -> None:
    """Start Prefect's server, on SQLite in PREFECT_HOME, unless Prefect is set up to use another.

    It runs until this process ends: Prefect's threads send logs and events until then.
    Raises DeepSentinelError: it does not start.
    """
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url or not settings.server.ephemeral.enabled:
        return
    from prefect.context import refresh_global_settings_context

    from flows.command.signals import before_hard_end

    log = tempfile.TemporaryFile()  # noqa: SIM115 (the server writes to it as long as it runs)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        # From here on connections wait until the server accepts them, or are refused when it has ended.
        listener.listen(128)
        port: int = listener.getsockname()[1]
        server = subprocess.Popen(
            # By its path and with -P: nothing in the working directory stands in for a module.
            [sys.executable, "-P", str(Path(__file__).resolve()), str(listener.fileno())],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={
                **os.environ,
                "PREFECT_UI_ENABLED": "0",
                "PREFECT__SERVER_EPHEMERAL": "1",
                "PREFECT__SERVER_FINAL": "1",
            },
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )

    def stop() -> None:
        server.terminate()
        try:
            server.wait(_STOPPING)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()

    # Registered before Prefect's own steps at exit, so called after them.
    atexit.register(stop)
    before_hard_end(stop)
    os.environ["PREFECT_API_URL"] = f"http://127.0.0.1:{port}/api"
    refresh_global_settings_context()
    _await(port, settings.server.ephemeral.startup_timeout_seconds, log)


def _await(port: int, seconds: float, log: IO[bytes]) -> None:
    from tasks.errors import DeepSentinelError

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=seconds)
    try:
        connection.request("GET", "/api/health")
        status = connection.getresponse().status
        problem = None if status == http.HTTPStatus.OK else f"its health check says {status}"
    except TimeoutError:
        problem = f"no answer after {seconds:g} s (PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS)"
    except (OSError, http.client.HTTPException):
        problem = "it ended while it started"
    finally:
        connection.close()
    if problem is None:
        return
    log.seek(0)
    written = log.read().decode(errors="replace").strip()[-2000:]
    raise DeepSentinelError(
        f"Prefect's embedded server: {problem}. Its folder is PREFECT_HOME (default ~/.prefect), which must be "
        "writable; or set PREFECT_API_URL to a server that runs." + (f"\nIt wrote:\n{written}" if written else "")
    )


def _serve(listener: int) -> None:
    """Be the server."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import uvicorn

    config = uvicorn.Config(
        "prefect.server.api.server:create_app",
        factory=True,
        log_level="error",
        lifespan="on",
        timeout_graceful_shutdown=1,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=listener)])


def _end_with_parent() -> None:
    """Wait for the end of stdin: only the parent holds its other end, so even its sudden death closes it."""
    import signal
    import time

    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_STOPPING)
    os._exit(1)


if __name__ == "__main__":
    _serve(int(sys.argv[1]))
