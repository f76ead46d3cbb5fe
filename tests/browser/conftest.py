"""A real headless Chromium, where the machine has one; else these tests skip and say so."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESKTOP = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    with playwright.sync_playwright() as p:
        started = p.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield started
        started.close()


@dataclass
class Opened:
    """A page in the browser, and what it did beside being shown."""

    page: "Page"
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def show(self, address: str) -> None:
        self.console.clear()
        self.requests.clear()
        self.page.goto(address)


def new_page(browser: "Browser", **options: Any) -> Opened:
    context = browser.new_context(**{"viewport": DESKTOP, **options})
    context.set_default_timeout(120_000)
    found = Opened(context.new_page())
    found.page.on("console", lambda message: found.console.append(message.text))
    found.page.on("pageerror", lambda error: found.console.append(str(error)))
    found.page.on("request", lambda request: found.requests.append(request.url))
    return found


@pytest.fixture(scope="session")
def pages(browser: "Browser") -> Callable[[int], Opened]:
    """By width, where all pages without further options are opened.

    Starting a process takes as long as a page.
    """
    return cache(lambda width: new_page(browser, viewport=PHONE if width < 400 else DESKTOP))


@pytest.fixture
def open_page(browser: "Browser", pages: Callable[[int], Opened]) -> Iterator[Any]:
    """Opens a file as ``open_page(path, hash, **context)``.

    One that has no options but a viewport closes the last of this viewport.
    """
    own = []

    def opened(
        path: Path, place: str = "", viewport: dict[str, int] = DESKTOP, **options: Any
    ) -> Opened:
        if options:
            found = new_page(browser, **options)
            own.append(found)
        else:
            found = pages(viewport["width"])
        found.show("about:blank")  # else only another hash of the same file loads nothing
        found.show(f"{path.as_uri()}{place}")
        return found

    yield opened
    for found in own:
        found.page.context.close()
