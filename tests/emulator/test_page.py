"""The page in a real browser: a call by button, seen accepted by a client, hung up by button."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import ConnectorEmulator

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or "chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=390,844"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def until(browser: Any, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.02)
    pytest.fail(f"the page shows:\n{text(browser)}")


def text(browser: Any) -> str:
    return str(browser.execute_script("return document.body.innerText"))


def press(browser: Any, selector: str) -> None:
    # Looked up and pressed in one step: the page redraws itself at every change.
    found = f"document.querySelector({selector!r})"
    until(browser, lambda: bool(browser.execute_script(f"return !!{found}")))
    browser.execute_script(f"{found}.click()")


def test_an_inbound_call_from_button_to_button(browser: Any) -> None:
    with (
        ConnectorEmulator(regions=2) as emulator,
        lk.ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret) as client,
    ):
        browser.get(emulator.url)
        press(browser, "#inbound")
        until(browser, lambda: len(emulator.calls) == 1)
        (call,) = emulator.calls
        until(
            browser,
            lambda: f"ringing\ninbound whatsapp ...{call.user_number[-4:]}" in text(browser),
        )
        client.accept_whatsapp_call(
            whatsapp_phone_number_id=call.phone_number_id,
            whatsapp_api_key="graph-secret",
            whatsapp_cloud_api_version="23.0",
            whatsapp_call_id=call.whatsapp_call_id,
            sdp=call.sdp,
            participant_name="Alex Doe",
        )
        until(browser, lambda: "active" in text(browser) and "AcceptWhatsAppCall" in text(browser))
        press(browser, f'[data-call="{call.id}"] [data-action="hang_up"]')
        until(browser, lambda: "ended by hang_up" in text(browser))
        assert call.state == "ended"
        shown = text(browser)
        assert "graph-secret" not in shown
        assert "Alex Doe" not in shown

        press(browser, '[data-action="drop_region"]:last-child')
        until(browser, lambda: emulator.dropped_regions == {1})
        press(browser, '[data-action="restore_region"]')
        until(browser, lambda: not emulator.dropped_regions)

        # Readable on a phone: nothing sticks out to the side.
        width = "document.documentElement.scrollWidth"
        assert browser.execute_script(f"return {width} <= window.innerWidth")
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_light_and_dark(browser: Any) -> None:
    colours = set()
    with ConnectorEmulator() as emulator:
        for scheme in ("light", "dark"):
            media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            browser.get(emulator.url)
            colours.add(
                browser.execute_script("return getComputedStyle(document.body).backgroundColor")
            )
    assert len(colours) == 2
