"""A real browser, and what it complains of or asks for while it shows a page."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))

_QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip


@contextmanager
def browsing() -> Iterator[Browser]:
    """Chromium without a window, ended afterwards. Skips where there is none, except in CI, where that is an error."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"{CHROMIUM}: no browser; install Chromium, or set CHROMIUM to its path")
        pytest.skip(f"{CHROMIUM}: no browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_QUIET))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched(browser: Browser, allowed: str = "file://", **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page in a profile of its own, and the list of what it complained of, or asked for that is not `allowed`."""
    context = browser.new_context(**{"viewport": {"width": 1366, "height": 820}} | options)
    complaints: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on(
        "request",
        lambda request: (
            complaints.append(f"asked for {request.url}") if not request.url.startswith((allowed, "data:")) else None
        ),
    )
    try:
        yield page, complaints
    finally:
        context.close()
