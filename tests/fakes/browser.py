"""Debian's Chromium, and a page in it that keeps book of everything it complains about.

For the tests of the page and for its screenshots; both need the library playwright, of the
environment of `make test-extras`.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
from collections.abc import Iterator
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Without the sandbox it also runs as root in a container. The others keep it from asking the
# network for anything of its own.
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LOOK_EVERY_MS = 50
# What Chromium itself writes to the console when a request finds nobody, and nothing can prevent.
# The page asks /api/status now and then while hunter is away.
NOBODY_THERE = re.compile(
    r"Failed to load resource: net::ERR_(CONNECTION_REFUSED|CONNECTION_RESET|EMPTY_RESPONSE)"
)


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class WatchedPage:
    """`complaints`: errors and warnings of the console, uncaught errors, violations of the
    content security policy. `strangers()`: requests to elsewhere, which are not let out.
    """

    def __init__(self, browser: Any, origin: str, **options: Any) -> None:
        self.origin = origin
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.is_hunter_away = False
        """While it is, the lines of NOBODY_THERE about /api/status are no complaints."""
        self._context = browser.new_context(**options)
        self.page = self._context.new_page()
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"uncaught: {error}"))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda found: self.requests.append(found.url))
        self.page.route("**/*", self._route)
        self.page.add_init_script(
            "addEventListener('securitypolicyviolation', (event) =>"
            " console.error('CSP: ' + event.violatedDirective + ' ' + event.blockedURI))"
        )
        if origin:
            self.visit(origin)

    def visit(self, origin: str) -> None:
        self.origin = origin
        self.page.goto(origin)

    def close(self) -> None:
        self._context.close()

    def text(self, selector: str) -> str:
        return str(self.page.locator(selector).inner_text())

    def strangers(self) -> list[str]:
        """Requests to anybody but hunter's own page."""
        own = (self.origin, self.origin.replace("http:", "ws:"), "data:")
        return [url for url in self.requests if not url.startswith(own)]

    def wait(self, condition: str, timeout_s: float = 15) -> Any:
        """Until a JavaScript expression is true; with its value.

        Not by playwright's own `wait_for_function`: it evaluates text within the page, which the
        page's policy forbids.
        """
        for _ in range(int(timeout_s * 1000 / LOOK_EVERY_MS)):
            value = self.page.evaluate(condition)
            if value:
                return value
            self.page.wait_for_timeout(LOOK_EVERY_MS)
        raise AssertionError(f"not within {timeout_s} s: {condition}")

    def _console(self, message: Any) -> None:
        if message.type not in ("error", "warning"):
            return
        url = message.location.get("url", "")
        nobody = NOBODY_THERE.fullmatch(message.text) and url == self.origin + "/api/status"
        if not (self.is_hunter_away and nobody):
            self.complaints.append(f"{message.type}: {message.text} {url}")

    def _route(self, route: Any) -> None:
        if route.request.url.startswith((self.origin, "data:")):
            route.continue_()
        else:
            route.abort()
