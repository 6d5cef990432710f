"""manage.py connector check | dial | replay"""

from __future__ import annotations

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from django.core.checks import Error
from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from livekit_connector_sync import RoomAgentDispatch
from livekit_connector_sync.contrib.django import get_client, get_settings
from livekit_connector_sync.contrib.django.checks import check_settings
from livekit_connector_sync.contrib.django.views import (
    Event,
    LiveKitWebhookView,
    MetaWebhookView,
    TwilioStatusView,
    TwilioVoiceView,
    WebhookView,
)
from livekit_connector_sync.contrib.settings import DEFAULT_ALIAS
from livekit_connector_sync.errors import (
    DeadlineExceeded,
    FailedPrecondition,
    NotFound,
    TwirpError,
    Unavailable,
)
from livekit_connector_sync.webhooks import WebhookError, livekit, meta, twilio

_PING_CALL = "wacid.ping"


class Command(BaseCommand):
    """Looks after LiveKit's connectors: checks the settings, dials, replays a webhook."""

    help = "Check the settings of LiveKit's connectors, dial, or replay a webhook."

    def add_arguments(self, parser: Any) -> None:
        """Declare the subcommands."""
        commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
        common = argparse.ArgumentParser(add_help=False)
        common.add_argument("--alias", default=DEFAULT_ALIAS, help="of LIVEKIT_CONNECTOR")

        check = commands.add_parser("check", parents=[common], help="check an alias's settings")
        check.add_argument(
            "--ping",
            action="store_true",
            help="ask LiveKit too: disconnect a call that is not there",
        )

        dial = commands.add_parser("dial", parents=[common], help="call a WhatsApp user")
        dial.add_argument("number", help="country code and number, digits only")
        dial.add_argument("--room", help="the room; by default LiveKit names one")
        dial.add_argument("--agent", action="append", default=[], help="an agent to dispatch")
        dial.add_argument("--callback-data", help="text that Meta's webhooks bring back")

        replay = commands.add_parser(
            "replay", parents=[common], help="send the signals of a stored webhook again"
        )
        replay.add_argument("provider", choices=["meta", "twilio", "livekit"])
        replay.add_argument("file", help='the body as it came, "-" for the standard input')

    def handle(self, *args: Any, **options: Any) -> None:
        """Run a subcommand."""
        run = {"check": self._check, "dial": self._dial, "replay": self._replay}
        try:
            run[options["subcommand"]](options)
        except (ImproperlyConfigured, TwirpError, WebhookError, OSError) as exc:
            raise CommandError(str(exc)) from exc

    def _check(self, options: dict[str, Any]) -> None:
        settings = get_settings(options["alias"])
        found = list(check_settings(settings))
        for message in found:
            self.stdout.write(f"{message.id}: {message.msg}\n    {message.hint}")
        if any(isinstance(message, Error) for message in found):
            raise CommandError("the settings are wrong")
        self.stdout.write(f"{options['alias']}: {settings.url}")
        if options["ping"]:
            self._ping(options["alias"])
            self.stdout.write("LiveKit answers, and takes the credentials.")

    def _ping(self, alias: str) -> None:
        """Make a call without effect; raise TwirpError if LiveKit does not know us."""
        # What it should say of a call that is not there.
        with contextlib.suppress(NotFound, FailedPrecondition):
            get_client(alias).disconnect_whatsapp_call(
                whatsapp_call_id=_PING_CALL, disconnect_reason="USER_INITIATED"
            )

    def _dial(self, options: dict[str, Any]) -> None:
        settings = get_settings(options["alias"])
        try:
            response = get_client(options["alias"]).dial_whatsapp_call(
                whatsapp_phone_number_id=settings.whatsapp_phone_number_id,
                whatsapp_to_phone_number=options["number"],
                whatsapp_api_key=settings.whatsapp_api_key,
                whatsapp_cloud_api_version=settings.whatsapp_cloud_api_version,
                whatsapp_biz_opaque_callback_data=options["callback_data"],
                room_name=options["room"],
                agents=[RoomAgentDispatch(agent_name=name) for name in options["agent"]],
            )
        except (DeadlineExceeded, Unavailable) as exc:
            if exc.safe_to_retry:
                raise
            raise CommandError(f"{exc}\nThe phone may ring: do not dial again blindly.") from exc
        self.stdout.write(f"{response.whatsapp_call_id} rings, room {response.room_name}")

    def _replay(self, options: dict[str, Any]) -> None:
        get_settings(options["alias"])  # there is such an alias
        body = (
            sys.stdin.buffer.read()
            if options["file"] == "-"
            else Path(options["file"]).read_bytes()
        )
        view, events = _read(options["provider"], body, options["alias"])
        failures: list[Exception] = []
        for event, alias in events:
            failures += view.send(event, alias)
            self.stdout.write(f"sent {type(event).__name__} {event.key} to alias {alias}")
        if failures:
            raise CommandError(f"{len(failures)} receivers failed, the last with {failures[-1]!r}")


def _read(provider: str, body: bytes, alias: str) -> tuple[WebhookView, list[tuple[Event, str]]]:
    """Return the events in a body, each with its alias, and the view that has their signals."""
    if provider == "meta":
        view = MetaWebhookView(alias=alias)
        secret = get_settings(alias).meta_app_secret
        return view, [(event, view.alias_of(event, secret)) for event in meta.parse(body)]
    if provider == "livekit":
        return LiveKitWebhookView(), [(livekit.parse(body), alias)]
    call = twilio.parse("", body)
    is_callback = call.is_over or call.parameter("CallbackSource")
    return (TwilioStatusView() if is_callback else TwilioVoiceView()), [(call, alias)]
