"""The example site as a user runs it: one command, a browser, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.workers import PATIENCE, wait_until

pytestmark = [pytest.mark.redis, pytest.mark.browser]

RUN = Path(__file__).parents[2] / "examples" / "site" / "run.py"


@pytest.fixture
def command(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """Run the command on free ports; yield its process and the URLs of the site and the phone."""
    process = subprocess.Popen(
        [sys.executable, str(RUN), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert process.stdout is not None
    try:
        text = "".join(process.stdout.readline() for _ in range(3))
        site, phone = re.findall(r"http://\S+", text)
        yield process, site, phone
    finally:
        process.terminate()
        process.wait(PATIENCE)
        process.stdout.close()


@pytest.fixture
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


def test_a_person_places_and_accepts_calls(
    command: tuple[subprocess.Popen[str], str, str], browser: Any, tmp_path: Path
) -> None:
    process, site, phone = command

    def shows(text: str) -> None:
        script = "return document.body.innerText"
        wait_until(lambda: text in browser.execute_script(script), f"{text!r} on the page")

    def press(selector: str) -> None:
        # Find and press in one step, because the page redraws itself after every change.
        found = f"document.querySelector({selector!r})"
        wait_until(lambda: browser.execute_script(f"return !!{found}"), selector)
        browser.execute_script(f"{found}.click()")

    def user_does(action: str) -> None:
        with urllib.request.urlopen(f"{phone}/emulator/events", timeout=10) as events:
            calls = json.loads(events.readline()[len("data: ") :])["live"]
        body = json.dumps({"action": action, "target": calls[0]["id"] if calls else ""})
        headers = {"Content-Type": "application/json", "X-Emulator-Action": "1"}
        request = urllib.request.Request(f"{phone}/emulator/action", body.encode(), headers)
        urllib.request.urlopen(request, timeout=10).close()

    browser.get(site)
    shows("No calls yet")
    browser.find_element("id", "number").send_keys("12")
    press(".place button")
    shows("Write the number with its country code")
    field = browser.find_element("id", "number")
    field.clear()
    field.send_keys("+1 (555) 123-4567")
    press(".place button")
    shows("Ringing")
    user_does("answer")
    shows("On the line")
    shows("0:0")  # the timer
    press(".call.active .stop")
    shows("by us")

    user_does("inbound")
    shows("Alex Doe")
    press(".call.ringing .go")
    shows("On the line")
    user_does("hang_up")
    shows("by the caller")

    # Readable on a phone: the page does not scroll sideways.
    width = "document.documentElement.scrollWidth"
    assert browser.execute_script(f"return {width} <= window.innerWidth")
    severe = [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [entry for entry in severe if "400" not in entry["message"]] == []

    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert list(tmp_path.iterdir()) == []  # all files are deleted


def test_a_port_in_use_is_named(command: tuple[subprocess.Popen[str], str, str]) -> None:
    port = command[1].rpartition(":")[2]
    second = subprocess.run(
        [sys.executable, str(RUN), "--port", port], capture_output=True, text=True, check=False
    )
    assert second.returncode == 1
    assert second.stderr == f"port {port} is taken: pass --port with another one\n"
