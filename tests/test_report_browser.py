"""A report in a real browser, opened from disk: flicker, zoom, pan, clicks, and nothing asked of the network."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from seisdiff.report import Facts, write_report
from seisdiff.survey import make_survey
from tests.browser import console_lines, find_browser, open_browser, requested

_PATIENCE = 20.0
OUTLIER = 17


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of 30 gathers, of which one stands out."""
    find_browser()
    samples = np.random.default_rng(0).standard_normal((30, 20, 200)).astype(np.float32)
    kept = np.full((30, 1, 1), 0.8, np.float32)
    kept[OUTLIER] = 0.2
    offset = np.broadcast_to(100.0 + 50 * np.arange(20), samples.shape[:2])
    both = [
        make_survey(part, dt_ms=4.0, offset=offset, gather=1001 + np.arange(30)) for part in (samples, samples * kept)
    ]
    path = tmp_path_factory.mktemp("report") / "line #1 & more.html"
    return write_report(*both, path, facts=Facts(task="demultiple", before="line.sgy", after="clean.sgy"))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with open_browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def browser(session: Any, page: Path) -> Any:
    """The browser with the page opened anew, and its logs emptied before."""
    session.get("about:blank")
    console_lines(session), requested(session)
    session.get(page.as_uri())
    wait(lambda: session.execute_script("return document.body.dataset.ready") == "yes")
    return session


def wait(done: Callable[[], bool]) -> None:
    until = time.monotonic() + _PATIENCE
    while not done():
        assert time.monotonic() < until, "the page did not get there"
        time.sleep(0.05)


def state(session: Any, name: str, viewer: str = "gather-viewer") -> str:
    return session.find_element("id", viewer).get_attribute(f"data-{name}")


def press(session: Any, keys: str) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(session).send_keys(keys).perform()


def canvases(session: Any, viewer: str = "gather-viewer") -> list[Any]:
    return session.find_elements("css selector", f"#{viewer} canvas")


def pixels(session: Any, at: int = 0) -> str:
    return session.execute_script(f"return document.querySelectorAll('#gather-viewer canvas')[{at}].toDataURL()")


def test_keys_flicker_between_panels(browser):
    assert state(browser, "mode") == "side"
    assert len(canvases(browser)) == 3
    shown = {}
    for key, mode in (("1", "0"), ("2", "1"), ("3", "2")):
        press(browser, key)
        wait(lambda mode=mode: state(browser, "mode") == mode and len(canvases(browser)) == 1)
        shown[mode] = pixels(browser)
    assert len(set(shown.values())) == 3
    press(browser, " ")
    wait(lambda: state(browser, "mode") == "0" and pixels(browser) == shown["0"])
    press(browser, " ")
    wait(lambda: state(browser, "mode") == "1" and pixels(browser) == shown["1"])
    press(browser, "f")
    seen = set()
    wait(lambda: (seen.add(state(browser, "mode")), {"0", "1"} <= seen)[1])
    press(browser, "s")
    wait(lambda: state(browser, "mode") == "side" and len(canvases(browser)) == 3)


def test_clicks_flicker_too(browser):
    canvases(browser)[2].click()
    wait(lambda: state(browser, "mode") == "2")
    canvases(browser)[0].click()
    wait(lambda: state(browser, "mode") == "0")
    canvases(browser)[0].click()
    wait(lambda: state(browser, "mode") == "1")
    browser.find_element("css selector", "#gather-viewer [data-mode=side]").click()
    wait(lambda: state(browser, "mode") == "side")


def test_zoom_and_pan_are_linked(browser):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    whole = [pixels(browser, at) for at in range(3)]
    first = canvases(browser)[0]
    ActionChains(browser).scroll_from_origin(ScrollOrigin.from_element(first), 0, -400).perform()
    wait(lambda: state(browser, "window") != "0.0000 1.0000 0.0000 1.0000")
    x0, x1, y0, y1 = map(float, state(browser, "window").split())
    assert 0 < x0 < x1 < 1
    assert 0 < y0 < y1 < 1
    assert all(pixels(browser, at) != whole[at] for at in range(3))
    ActionChains(browser).click_and_hold(first).move_by_offset(60, 80).release().perform()
    wait(lambda: float(state(browser, "window").split()[0]) < x0)
    moved = list(map(float, state(browser, "window").split()))
    assert moved[2] < y0
    assert moved[1] - moved[0] == pytest.approx(x1 - x0, abs=2e-4)
    assert state(browser, "mode") == "side"
    press(browser, "0")
    wait(lambda: state(browser, "window") == "0.0000 1.0000 0.0000 1.0000")


def test_gain_and_colour(browser):
    grey = pixels(browser)
    press(browser, "+")
    wait(lambda: state(browser, "gain") == "2")
    loud = pixels(browser)
    press(browser, "c")
    wait(lambda: pixels(browser) not in (grey, loud))
    press(browser, "-")
    press(browser, "c")
    wait(lambda: state(browser, "gain") == "1" and pixels(browser) == grey)


def test_an_outlier_is_flagged_and_a_click_shows_it(browser):
    dots = browser.find_elements("css selector", f"circle.outlier[data-position='{OUTLIER}']")
    assert dots
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", dots[0])
    dots[0].click()
    wait(lambda: state(browser, "position") == str(OUTLIER))
    assert browser.find_element("css selector", ".here-label").text == f"cdp {1001 + OUTLIER}"
    pressed = browser.find_element("css selector", "#choice [aria-pressed=true]")
    assert "outlier" in pressed.text
    press(browser, "\ue012")
    wait(lambda: int(state(browser, "position")) < OUTLIER)


def test_stack_has_its_own_zoom(browser):
    browser.find_element("css selector", "#stack-viewer [data-act=louder]").click()
    wait(lambda: state(browser, "gain", "stack-viewer") == "2")
    assert state(browser, "gain") == "1"


def test_nothing_goes_wrong_and_nothing_is_asked_of_the_network(browser, page, tmp_path):
    press(browser, "2fs+c")
    picture = tmp_path / "page.png"
    browser.save_screenshot(str(picture))
    drawn = np.asarray(Image.open(picture).convert("L"))
    assert drawn.shape[1] >= 1300
    assert drawn.std() > 10
    assert console_lines(browser) == []
    asked = [url for url in requested(browser) if not url.startswith("chrome")]
    assert asked == [page.as_uri()]
    assert (
        browser.execute_script(
            "return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length"
        )
        == 0
    )


def test_it_prints(browser):
    import base64

    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert pdf.startswith(b"%PDF")
    assert pdf.count(b"/Type /Page\n") >= 5
