"""A real web process with collected static files, a real Chromium, and a stand-in for the feed."""

from __future__ import annotations

import fcntl
import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from demo.browser import CHROMIUM_FLAGS, chromium
from demo.pytest_servers import addresses_of
from demo.servers import free_port
from foundation import valkey
from live.messages import ALIVE, TOPIC_STATE, Message
from rates import constants as c
from rates.tests.desk import make_pair
from rates.tests.quotes import message, publish
from tests.e2e import wallets

ROOT = Path(__file__).resolve().parents[2]
DEADLINE = 30.0
# A browser beside other tests on a small machine; what comes true is not waited for any longer.
expect.set_options(timeout=15_000)
# A page's own reports of what its policy forbade, and of anything it threw.
REPORTER = """
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) =>
    window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""


@pytest.hookimpl(tryfirst=True)  # before xdist reads the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test here drives a browser; without one they are skipped, and say how to get it."""
    reason = "No Chromium found: `make browser` installs one, or name one in CHROMIUM."
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            # Two workers drive browsers: each collects static files and starts a desk once.
            half = int(item.path.name >= "test_coins")
            item.add_marker(pytest.mark.xdist_group(f"browser{half}"))
            if chromium() is None:
                item.add_marker(pytest.mark.skip(reason=reason))


class Desk:
    """The web process. ``pause`` and ``resume`` make it silent without closing anything."""

    def __init__(self, port: int, environment: dict[str, str]) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.environment = environment
        self.process = subprocess.Popen(
            [sys.executable, "-m", "config.serve"], cwd=ROOT, env=environment
        )

    def wait(self) -> None:
        deadline = time.monotonic() + DEADLINE
        while True:
            try:
                httpx.get(f"{self.url}/healthz", trust_env=False).raise_for_status()
            except httpx.HTTPError:
                assert time.monotonic() < deadline, "the web process did not start"
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=DEADLINE)


@pytest.fixture(scope="session")
def static_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Collected by the first worker that needs them, since compressing them takes seconds."""
    home = tmp_path_factory.getbasetemp()
    home = home.parent if "PYTEST_XDIST_WORKER" in os.environ else home
    made = home / "static-of-all"
    with (home / "static.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = home / "static-unfinished"
            collect = [sys.executable, "manage.py", "collectstatic", "--noinput", "--verbosity=0"]
            environment = os.environ | {"STATIC_ROOT": str(unfinished)}
            subprocess.run(collect, cwd=ROOT, env=environment, check=True)
            unfinished.rename(made)
    return made


@pytest.fixture(scope="session")
def environment(django_db_setup: None, static_files: Path) -> dict[str, str]:
    """What a process of the desk needs to share the test's servers and its static files."""
    return os.environ | {
        **addresses_of(connection.settings_dict["NAME"]),
        "STATIC_ROOT": str(static_files),
        "HOST": "127.0.0.1",
    }


@pytest.fixture(scope="session")
def _desk(environment: dict[str, str]) -> Iterator[Desk]:
    port = free_port()
    environment = environment | {
        "PORT": str(port),
        "SIWE_DOMAIN": f"127.0.0.1:{port}",
        "SIWE_URI": f"http://127.0.0.1:{port}",
        "SIWE_CHAINS": "1,31337",
    }
    running = Desk(port, environment)
    try:
        running.wait()
        yield running
    finally:
        running.stop()


@pytest.fixture
def desk(_desk: Desk, transactional_db: None) -> Desk:
    return _desk


# The web process outlives a test and drops what is older than it has seen, so numbers only rise.
NUMBERS = itertools.count(1)
DAY = {"high": "86000.00", "low": "82000.00", "last": "84359.90", "change_pct": "1.25"}


class Feed:
    """Publishes as the feed does, and says once a second that it lives until told not to."""

    def __init__(self) -> None:
        self.seq = 0
        self.silent = threading.Event()
        self.thread = threading.Thread(target=self._beat, daemon=True)

    def quote(self, code: str = "BTC_USD", **facts: Any) -> None:
        publish(self.message(code, **facts))

    def message(self, code: str = "BTC_USD", **facts: Any) -> Message:
        """The next message of a pair, received now."""
        self.seq = next(NUMBERS)
        now = int(time.time() * 1000)
        return message(code, seq=self.seq, **DAY | {"received": now, "ts": now} | facts)

    def _beat(self) -> None:
        while True:
            sign = Message(ALIVE, 5, self.seq, TOPIC_STATE, b"", b"")
            valkey.client().publish(c.channel_quotes(), sign.encode())
            publish()
            if self.silent.wait(1):
                return


@pytest.fixture
def feed(desk: Desk) -> Iterator[Feed]:
    """A feed with two pairs on the board, ``BTC_USD`` first."""
    for position, code in enumerate(("BTC_USD", "ETH_USD")):
        make_pair(code, price_decimals=2, position=position)
    started = Feed()
    for code in ("BTC_USD", "ETH_USD"):
        started.quote(code)
    started.thread.start()
    yield started
    started.silent.set()
    started.thread.join(DEADLINE)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Playwright keeps an event loop in this thread, which Django takes for an async caller.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        opened = playwright.chromium.launch(executable_path=chromium(), args=CHROMIUM_FLAGS)
        yield opened
        opened.close()


class Tab:
    """A page with everything it complained of."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _hear(self, said: Any) -> None:
        if said.type in ("error", "warning"):
            self.complaints.append(said.text)

    def violations(self) -> list[str]:
        found: list[str] = self.page.evaluate("window.violations")
        return found


class Contexts:
    """Contexts of one browser, used again by later tests: a new one costs as much as five pages.

    Between two tests a context loses its pages, cookies and what its origins stored. Its HTTP cache
    stays, so who weighs a first load takes a fresh one, as does who stops its clock.
    """

    def __init__(self, browser: Browser) -> None:
        self.browser = browser
        self.origins: set[str] = set()
        self.idle: dict[str, list[BrowserContext]] = {}
        self.taken: list[tuple[str, BrowserContext]] = []

    def take(self, options: dict[str, Any], *, fresh: bool) -> BrowserContext:
        """One whose ``base_url`` and other options are these."""
        kind = "" if fresh else repr(sorted(options.items()))
        if self.idle.get(kind):
            context = self.idle[kind].pop()
        else:
            context = self.browser.new_context(**options)
            context.add_init_script(REPORTER)
        self.taken.append((kind, context))
        return context

    def give_back(self) -> None:
        for kind, context in self.taken:
            if kind:
                self._clean(context)
                self.idle.setdefault(kind, []).append(context)
            else:
                context.close()
        self.taken.clear()

    def _clean(self, context: BrowserContext) -> None:
        context.set_offline(offline=False)
        left = context.pages[0] if context.pages else context.new_page()
        left.goto("about:blank")
        wire = context.new_cdp_session(left)
        for origin in {*self.origins, *(o.replace("127.0.0.1", "localhost") for o in self.origins)}:
            wire.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        context.clear_cookies()
        context.clear_permissions()
        for page in context.pages:
            page.close()


@pytest.fixture(scope="module")
def contexts(browser: Browser) -> Contexts:
    return Contexts(browser)


@pytest.fixture
def tab(contexts: Contexts, desk: Desk) -> Iterator[Callable[..., Tab]]:
    """Open a page of the desk in a context of its own, with Playwright's options for contexts."""

    def open_tab(path: str, *, fresh: bool = False, **options: Any) -> Tab:
        contexts.origins.add(desk.url)
        options["base_url"] = desk.url
        opened = Tab(contexts.take(options, fresh=fresh).new_page())
        opened.page.goto(path)
        return opened

    yield open_tab
    contexts.give_back()


@pytest.fixture
def opened(tab):
    """The sign-in page in a browser that has these wallets, and all that it complained of."""

    def open_page(*installed, path=wallets.LOGIN, **options):
        found = tab("/healthz", **options)
        for wallet in installed:
            wallet.install(found.page)
        found.page.goto(path)
        return found

    return open_page


@pytest.fixture
def page_with(opened):
    return lambda *installed, **options: opened(*installed, **options).page
