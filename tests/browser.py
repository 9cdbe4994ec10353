"""A headless Chromium for tests, driven by selenium, that loads nothing but files from disk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--hide-scrollbars", "--allow-file-access-from-files",
)  # fmt: skip


def find_browser() -> tuple[str, str]:
    """Return the paths of Chromium and its driver; skips where one is missing."""
    pytest.importorskip("selenium", reason="selenium is not installed")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not browser or not driver:
        pytest.skip("no Chromium or no chromedriver is installed")
    return browser, driver


@contextmanager
def open_browser(profile: Path, width: int = 1400, height: int = 1000) -> Iterator[Any]:
    """Give a selenium driver with a profile of its own, which logs the console and every request."""
    browser, driver = find_browser()
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    session = webdriver.Chrome(options=options, service=Service(executable_path=driver))
    try:
        yield session
    finally:
        session.quit()


def console_lines(session: Any) -> list[str]:
    """Return what the page wrote to the console, errors of the security policy included."""
    return [entry["message"] for entry in session.get_log("browser")]


def requested(session: Any) -> list[str]:
    """Return the addresses that were asked for, data URIs left out."""
    messages = [json.loads(entry["message"])["message"] for entry in session.get_log("performance")]
    urls = [each["params"]["request"]["url"] for each in messages if each["method"] == "Network.requestWillBeSent"]
    return [url for url in urls if not url.startswith("data:")]
