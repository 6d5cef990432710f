"""The command line: `livekit-connector-sync emulator`."""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
import time
from collections.abc import Sequence
from typing import Optional

from .emulator import (
    DEFAULT_API_SECRET,
    ConnectorEmulator,
    LiveKitWebhooks,
    MetaWebhooks,
    TwilioWebhooks,
)

__all__ = ["main"]

_POLL = 3600.0  # seconds; Ctrl-C interrupts the wait


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command line.

    Args:
        argv: the arguments after the program's name; by default those of the process.

    Returns:
        The exit status.
    """
    return _run_emulator(_parser().parse_args(argv))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="livekit-connector-sync")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    emulator = commands.add_parser(
        "emulator",
        help="emulate the Connector API, Meta, and Twilio on this machine",
        description="Emulates the Connector API, Meta, and Twilio on this machine, with a page in "
        "the browser, until Ctrl-C.",
    )
    add = emulator.add_argument
    add("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    add("--port", type=int, default=7890, help="first port, 0 for free ports (default %(default)s)")
    add("--regions", type=int, default=1, metavar="N", help="how many regions to open")
    add("--api-key", default="devkey", metavar="KEY", help="project key (default %(default)s)")
    add("--api-secret", default=DEFAULT_API_SECRET, metavar="SECRET", help="project secret")
    for option, default, what in (
        ("meta-webhook", "", "your app's webhook for Meta's calls"),
        ("meta-app-secret", MetaWebhooks.app_secret, "signs Meta's webhooks"),
        ("meta-verify-token", MetaWebhooks.verify_token, "sent in Meta's handshake"),
        ("livekit-webhook", "", "your app's webhook for LiveKit's events"),
        ("twilio-voice-url", "", "your app's webhook for Twilio's calls"),
        ("twilio-auth-token", TwilioWebhooks.auth_token, "signs Twilio's webhook"),
    ):
        add(f"--{option}", default=default, metavar=option.rpartition("-")[2].upper(), help=what)
    add(
        "--duplicates",
        type=int,
        default=0,
        metavar="N",
        help="send every webhook of Meta and LiveKit N more times",
    )
    add("--meta-status-as-list", action="store_true", help="write a terminate's status as a list")
    add("--meta-omit-direction", action="store_true", help="leave the direction out of connect")
    add(
        "--meta-connect-at-pickup",
        action="store_true",
        help="send connect of an outbound call when the user picks up, not before",
    )
    add("--certificate", nargs=2, metavar=("CERT", "KEY"), help="serve https and wss")
    return parser


def _run_emulator(arguments: argparse.Namespace) -> int:
    try:
        emulator = ConnectorEmulator(
            api_key=arguments.api_key,
            api_secret=arguments.api_secret,
            host=arguments.host,
            port=arguments.port,
            regions=arguments.regions,
            meta=MetaWebhooks(
                arguments.meta_webhook,
                arguments.meta_app_secret,
                arguments.meta_verify_token,
                status_as_list=arguments.meta_status_as_list,
                omit_direction=arguments.meta_omit_direction,
                connect_at_pickup=arguments.meta_connect_at_pickup,
                duplicates=arguments.duplicates,
            ),
            livekit=LiveKitWebhooks(arguments.livekit_webhook, arguments.duplicates),
            twilio=TwilioWebhooks(arguments.twilio_voice_url, arguments.twilio_auth_token),
            certificate=tuple(arguments.certificate) if arguments.certificate else None,
        )
        emulator.start()
    except (OSError, ValueError) as exc:
        print(f"livekit-connector-sync: the emulator cannot start: {exc}", file=sys.stderr)
        return 1
    terminate = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        try:
            print(_introduction(emulator), flush=True)
            _follow(emulator)
        except KeyboardInterrupt:
            print("\nStopped.", flush=True)
    except BrokenPipeError:  # the output was closed, as with `| head`
        # Redirect stdout, so that Python's flush at exit does not raise again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    finally:
        # Closing takes a moment, which a second Ctrl-C must not interrupt.
        interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
        emulator.close()
        signal.signal(signal.SIGTERM, terminate)
        signal.signal(signal.SIGINT, interrupt)
    return 0


def _introduction(emulator: ConnectorEmulator) -> str:
    """Return what to paste into the shell of the app, and where the page is."""
    values = {
        "LIVEKIT_URL": emulator.url,
        "LIVEKIT_API_KEY": emulator.api_key,
        "LIVEKIT_API_SECRET": emulator.api_secret,
    }
    if emulator.meta.url:
        values["META_APP_SECRET"] = emulator.meta.app_secret
        values["META_VERIFY_TOKEN"] = emulator.meta.verify_token
    if emulator.twilio.voice_url:
        values["TWILIO_AUTH_TOKEN"] = emulator.twilio.auth_token
    exports = "".join(f"  export {name}={shlex.quote(value)}\n" for name, value in values.items())
    urls = emulator.region_urls if len(emulator.region_urls) > 1 else []
    regions = "".join(f"  region-{index}  {url}\n" for index, url in enumerate(urls))
    return (
        f"The Connector API runs on this machine. For your app:\n\n{exports}\n{regions}"
        f"Page: {emulator.url}/   Stop: Ctrl-C\n"
    )


def _follow(emulator: ConnectorEmulator) -> None:
    """Print a line for each event, until Ctrl-C."""
    seen = 0
    while True:
        events, seen = emulator.events_after(seen, _POLL)
        for at, line in events:
            print(f"{time.strftime('%H:%M:%S', time.localtime(at))}  {line}", flush=True)
