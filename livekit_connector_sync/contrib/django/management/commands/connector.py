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

import livekit_connector_sync as lk
from livekit_connector_sync._runtime.redaction import hide_locals
from livekit_connector_sync.contrib.django import get_client, get_settings
from livekit_connector_sync.contrib.django.checks import check_settings
from livekit_connector_sync.contrib.django.views import (
    LiveKitWebhookView,
    MetaWebhookView,
    TwilioStatusView,
    TwilioVoiceView,
    WebhookView,
)
from livekit_connector_sync.contrib.settings import DEFAULT_ALIAS
from livekit_connector_sync.webhooks import WebhookError, livekit, meta, twilio


class Command(BaseCommand):
    """The command: its subcommands check the settings, dial, and replay a webhook."""

    help = "Check the settings of LiveKit's connectors, place a call, or replay a webhook."

    def add_arguments(self, parser: Any) -> None:
        """Declare the subcommands."""
        commands = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
        common = argparse.ArgumentParser(add_help=False)
        common.add_argument(
            "--alias", default=DEFAULT_ALIAS, help="alias of LIVEKIT_CONNECTOR to use"
        )

        check = commands.add_parser("check", parents=[common], help="check an alias's settings")
        check.add_argument(
            "--ping",
            action="store_true",
            help="also send LiveKit a harmless request, to check the credentials",
        )

        dial = commands.add_parser("dial", parents=[common], help="call a WhatsApp user")
        dial.add_argument("number", help="country code and number, digits only")
        dial.add_argument("--room", help="name of the room; by default LiveKit chooses one")
        dial.add_argument(
            "--agent", action="append", default=[], help="name of an agent to dispatch; repeatable"
        )
        dial.add_argument("--callback-data", help="text to include in Meta's webhooks of the call")

        replay = commands.add_parser(
            "replay", parents=[common], help="send the signals of a saved webhook again"
        )
        replay.add_argument("provider", choices=["meta", "twilio", "livekit"])
        replay.add_argument("file", help='file with the body of the webhook, "-" for stdin')

    @hide_locals
    def handle(self, *args: Any, **options: Any) -> None:
        """Run a subcommand."""
        run = {"check": self._check, "dial": self._dial, "replay": self._replay}
        try:
            run[options["subcommand"]](options)
        except (ImproperlyConfigured, lk.TwirpError, WebhookError, OSError) as exc:
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
            # LiveKit accepts the credentials if it only says that there is no such call.
            with contextlib.suppress(lk.NotFound, lk.FailedPrecondition):
                get_client(options["alias"]).disconnect_whatsapp_call(
                    whatsapp_call_id="wacid.ping", disconnect_reason="USER_INITIATED"
                )
            self.stdout.write("LiveKit responded and accepts the credentials.")

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
                agents=[lk.RoomAgentDispatch(agent_name=name) for name in options["agent"]],
            )
        except (lk.DeadlineExceeded, lk.Unavailable) as exc:
            if exc.safe_to_retry:
                raise
            raise CommandError(f"{exc}\nThe phone may ring: check before you dial again.") from exc
        self.stdout.write(
            f"placed call {response.whatsapp_call_id} to room {response.room_name}; it rings"
        )

    def _replay(self, options: dict[str, Any]) -> None:
        alias, provider, file = options["alias"], options["provider"], options["file"]
        get_settings(alias)  # rejects an unknown alias
        body = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        view, events = _parse(provider, body, alias)
        failures: list[Exception] = []
        for event, event_alias in events:
            failures += view.send(event, event_alias)
            self.stdout.write(f"sent {type(event).__name__} {event.key} to alias {event_alias}")
        if failures:
            raise CommandError(f"{len(failures)} receivers failed, the last with {failures[-1]!r}")


def _parse(provider: str, body: bytes, alias: str) -> tuple[WebhookView, list[tuple[Any, str]]]:
    """Return the view that sends the signals of a body, and its events with their aliases."""
    if provider == "meta":
        view = MetaWebhookView(alias=alias)
        return view, [(event, view.alias_of(event)) for event in meta.parse(body)]
    if provider == "livekit":
        return LiveKitWebhookView(), [(livekit.parse(body), alias)]
    call = twilio.parse("", body)
    is_callback = call.is_over or call.parameter("CallbackSource")
    return (TwilioStatusView() if is_callback else TwilioVoiceView()), [(call, alias)]
