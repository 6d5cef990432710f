"""The page in a real browser: its buttons, and how it shows calls and webhooks."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from typing import Any, Callable

import pytest

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import ConnectorEmulator, MetaWebhooks, TwilioWebhooks

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


def find(browser: Any, selector: str) -> Any:
    until(browser, lambda: bool(browser.find_elements("css selector", selector)))
    return browser.find_element("css selector", selector)


def press(browser: Any, selector: str) -> None:
    """Press a button as a person does: with a short time between mouse down and up."""
    from selenium.webdriver import ActionChains

    button = find(browser, selector)
    mouse = ActionChains(browser, duration=0).move_to_element(button).click_and_hold()
    mouse.pause(0.1).release().perform()


def test_an_inbound_call_from_button_to_button(browser: Any) -> None:
    with (
        ConnectorEmulator(regions=2) as emulator,
        lk.ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret) as client,
    ):
        browser.get(emulator.url)
        press(browser, "#inbound")
        until(browser, lambda: len(emulator.calls) == 1)
        assert emulator.calls[0].user_name == "Alex Doe"
        (call,) = emulator.calls
        shown = f"inbound whatsapp ...{call.user_number[-4:]}\nwaits for AcceptWhatsAppCall"
        until(browser, lambda: f"ringing\n{shown}" in text(browser))
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
        until(browser, lambda: "ended: the user hung up" in text(browser))
        assert call.state == "ended"
        shown = text(browser)
        assert "graph-secret" not in shown
        assert "Alex Doe" not in shown

        press(browser, '[data-action="drop_region"]:last-child')
        until(browser, lambda: emulator.dropped_regions == {1})
        press(browser, '[data-action="restore_region"]')
        until(browser, lambda: not emulator.dropped_regions)

        # On a phone, the page does not scroll sideways.
        width = "document.documentElement.scrollWidth"
        assert browser.execute_script(f"return {width} <= window.innerWidth")
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_an_inbound_call_of_a_user_without_a_number(browser: Any) -> None:
    with ConnectorEmulator() as emulator:
        browser.get(emulator.url)
        for selector, value in (("#user", "US.13491208655302741918"), ("#name", "Ada Lovelace")):
            field = find(browser, selector)
            field.clear()
            field.send_keys(value)
        press(browser, "#inbound")
        until(browser, lambda: "inbound whatsapp user id ...1918" in text(browser))
        (call,) = emulator.calls
        assert (call.user_number, call.user_name) == ("", "Ada Lovelace")
        assert call.user_id == "US.13491208655302741918"
        assert "Ada" not in text(browser)


def test_clicks_focus_and_selection_survive_updates(browser: Any) -> None:
    from selenium.webdriver import ActionChains, Keys

    def active() -> str:
        return str(browser.execute_script("return document.activeElement.dataset.target"))

    with ConnectorEmulator(regions=3) as emulator:
        busy = threading.Event()

        def others_call() -> None:
            while not busy.wait(0.02):
                emulator.reject(emulator.inbound_call())

        call = emulator.inbound_call()
        browser.get(emulator.url)
        thread = threading.Thread(target=others_call)
        thread.start()
        try:
            for region in (2, 1):
                find(browser, f'[data-action="drop_region"][data-target="{region}"]').send_keys("")
                browser.execute_script(
                    f"document.querySelector('#regions [data-target=\"{region}\"]').focus()"
                )
                seen = len(emulator.calls)
                until(browser, lambda seen=seen: len(emulator.calls) > seen + 5)
                assert active() == str(region)
                ActionChains(browser).send_keys(Keys.ENTER).perform()
                until(browser, lambda region=region: region in emulator.dropped_regions)
            assert emulator.dropped_regions == {1, 2}
            press(browser, f'[data-call="{call.id}"] [data-action="hang_up"]')
            until(browser, lambda: call.state == "ended")
        finally:
            busy.set()
            thread.join()
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_webhooks_by_button(browser: Any) -> None:
    """Send the webhooks of Meta and Twilio by button, and show their results."""
    nobody = "http://127.0.0.1:9/hook"
    meta, twilio = MetaWebhooks(nobody), TwilioWebhooks(nobody)
    with (
        ConnectorEmulator(meta=meta, twilio=twilio) as emulator,
        lk.ConnectorClient(emulator.url, emulator.api_key, emulator.api_secret) as client,
    ):
        browser.get(emulator.url)
        until(browser, lambda: f"export LIVEKIT_URL={emulator.url}" in text(browser))
        press(browser, "#verify")
        until(browser, lambda: "did not answer Meta's handshake" in text(browser))
        press(browser, "#twilio")
        until(browser, lambda: "does not answer Twilio's voice webhook" in text(browser))
        press(browser, "#inbound")
        until(browser, lambda: "will be sent again" in text(browser))
        assert "Connection refused" in text(browser)
        press(browser, '[data-action="redeliver"]')
        until(browser, lambda: len(emulator.webhooks) == 3)
        with pytest.raises(lk.InvalidArgument):
            client.dial_whatsapp_call(
                whatsapp_phone_number_id="1",
                whatsapp_to_phone_number="15550138006",
                whatsapp_api_key="graph-secret",
                whatsapp_cloud_api_version="23.0",
            )
        until(browser, lambda: "No approved call permission" in text(browser))


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


def test_another_emulator_on_the_same_port(browser: Any) -> None:
    def serve(port: int, room: str) -> ConnectorEmulator:
        emulator = ConnectorEmulator(port=port)
        emulator.start()
        with lk.ConnectorClient(
            emulator.url, emulator.api_key, emulator.api_secret, proxies={}
        ) as client:
            client.connect_twilio_call(room_name=room, twilio_call_direction=0)
        return emulator

    first = serve(0, "the-old-room")
    port = int(first.url.rpartition(":")[2])
    try:
        browser.get(f"{first.url}/")
        until(browser, lambda: "the-old-room" in text(browser))
    finally:
        first.close()
    second = serve(port, "the-new-room")
    try:
        until(browser, lambda: "the-new-room" in text(browser))
        assert "the-old-room" not in text(browser)
    finally:
        second.close()
