"""``make pictures``: the screenshots of docs/pictures, taken of a desk that runs."""

from __future__ import annotations

import time
from typing import Final, Literal

from playwright.sync_api import Browser, sync_playwright

from demo.browser import CHROMIUM_FLAGS, chromium
from demo.home import BASE_DIR, DemoError
from demo.shows.running import running_desk, say, show

FOLDER: Final = BASE_DIR / "docs" / "pictures"
# A price for every pair, and some that have just moved.
WARM_UP: Final = 20.0
SCHEMES: Final[tuple[Literal["light", "dark"], ...]] = ("light", "dark")


def main() -> None:
    program = chromium()
    if program is None:
        raise DemoError("No Chromium here: `make browser` installs it, or name one in CHROMIUM.")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with running_desk() as desk, sync_playwright() as playwright:
        time.sleep(WARM_UP)
        browser = playwright.chromium.launch(executable_path=program, args=CHROMIUM_FLAGS)
        for scheme in SCHEMES:
            take(browser, f"{desk.state()['web']}/rates/", scheme)
        browser.close()


def take(browser: Browser, url: str, scheme: Literal["light", "dark"]) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 620}, color_scheme=scheme)
    page.goto(url)
    page.wait_for_timeout(3000)
    file = FOLDER / f"rates-{scheme}.png"
    page.screenshot(path=file)
    page.close()
    say(f"{file.name}: {file.stat().st_size / 1000:.0f} KB")


if __name__ == "__main__":
    show(main)
