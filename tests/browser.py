"""Headless Chromium that opens pages of this project; it downloads nothing and reports to nobody.

The fixture `browser` (tests/conftest.py) is started once per test process, and skips its tests
where selenium, Chromium or chromedriver is missing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers often have a small one
    "--no-first-run",
    "--disable-background-networking",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-sync",
    # A page that asks for the network does not get it.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def found() -> tuple[str, str]:
    """The paths of Chromium and chromedriver; skips the test where one of them is missing."""
    pytest.importorskip("selenium", reason="needs selenium: pip install -r requirements-test.txt")
    chromium = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    driver = shutil.which("chromedriver")
    if not chromium or not driver:
        absent = "chromedriver" if chromium else "Chromium"
        pytest.skip(f"no {absent} here (Debian: apt-get install chromium chromium-driver)")
    return chromium, driver


@pytest.fixture(scope="session")
def browser_of_session() -> Iterator[Browser]:
    chromium, driver = found()
    # A profile of its own: several test processes may run browsers at once.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        browser = Browser(chromium, driver, profile)
        try:
            yield browser
        finally:
            browser.driver.quit()


@pytest.fixture
def browser(browser_of_session: Browser) -> Browser:
    """The browser as new: desktop width, light scheme, screen."""
    browser_of_session.reset()
    return browser_of_session


class Browser:
    """driver: selenium's, for what is not below."""

    def __init__(self, chromium: str, chromedriver: str, profile: str) -> None:
        os.environ["SE_OFFLINE"] = os.environ["SE_AVOID_STATS"] = "true"
        # selenium talks to chromedriver on this machine, which no proxy reaches
        direct = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        os.environ["no_proxy"] = f"{direct},localhost,127.0.0.1".lstrip(",")
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        for flag in (*_FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.add_argument("--no-sandbox")
        service = webdriver.ChromeService(executable_path=chromedriver)
        self.driver = webdriver.Chrome(options=options, service=service)

    def open(self, path: Path) -> None:
        self.driver.get(path.absolute().as_uri())

    def reset(self) -> None:
        self.driver.get("about:blank")
        self.resize(1280)
        self.media()
        self.messages()

    def messages(self) -> list[str]:
        """What the console said since the last call: script errors, what the policy refused."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def resize(self, width: int, height: int = 900) -> None:
        """The page's own width, which a window's cannot be below about 500."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def media(self, kind: str = "screen", scheme: str = "light") -> None:
        """kind: screen or print; scheme: light or dark."""
        wanted = [{"name": "prefers-color-scheme", "value": scheme}]
        emulated = {"media": kind, "features": wanted}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", emulated)

    def run(self, script: str, *arguments: Any) -> Any:
        """What a function's body returns; elements may be passed in and come back."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> Any:
        """The first element that a CSS selector finds; selenium's error where there is none."""
        return self.driver.find_element("css selector", selector)

    def overflow(self) -> int:
        """Pixels by which the document is wider than what one sees of it."""
        wide = "const root = document.documentElement; return root.scrollWidth - root.clientWidth"
        return self.run(wide)

    def press(self, *keys: str) -> None:
        """Keys to whatever has the focus: characters, or of selenium's Keys."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver).send_keys(*keys).perform()

    def click_at(self, x: int, y: int) -> None:
        """A click at a place of the window, whatever is there."""
        from selenium.webdriver import ActionChains

        actions = ActionChains(self.driver)
        actions.w3c_actions.pointer_action.move_to_location(x, y).click()
        actions.perform()

    def screenshot(self, path: Path) -> None:
        self.driver.save_screenshot(str(path))

    def controls(self) -> list[tuple[str, str]]:
        """(role, name) of every node of the page's accessibility tree, as a reader announces it."""
        nodes = self.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
        said = [node for node in nodes if not node["ignored"]]
        return [
            (n.get("role", {}).get("value", ""), n.get("name", {}).get("value", "")) for n in said
        ]
