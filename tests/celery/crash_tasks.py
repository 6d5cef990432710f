"""Tasks that fail while they hold a secret, and the crash reports about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django
from celery import Celery, shared_task
from django.conf import settings
from helpers.crash_reports import report, secret, start_sentry

from livekit_connector_sync.contrib import celery as tasks
from livekit_connector_sync.contrib.celery import ConnectorTask
from livekit_connector_sync.contrib.celery.worker import get_clients

start_sentry()
settings.configure(ADMINS=[("Ann", "ann@example.org")], SECRET_KEY="of-django")
django.setup()
app = Celery("calls", set_as_current=True, broker="redis://127.0.0.1:1", backend="cache+memory://")
connector: dict[str, Any] = {}
app.conf.livekit_connector = connector
CONNECTOR = {"URL": "http://127.0.0.1:1", "WHATSAPP_PHONE_NUMBER_ID": "1"}
DIAL = {"whatsapp_to_phone_number": "15551234567"}
TWILIO = {"room_name": "r", "twilio_call_direction": "TWILIO_CALL_DIRECTION_OUTBOUND"}


def use(**options: Any) -> None:
    keys = {"API_KEY": "key", "API_SECRET": secret(), "WHATSAPP_API_KEY": secret()}
    connector.clear()
    connector.update({**CONNECTOR, **keys, **options})
    get_clients(app).close()  # so that the settings are read again


def accept() -> dict[str, Any]:
    sdp = {"type": "offer", "sdp": f"v=0\r\na=ice-pwd:{secret()}\r\n"}
    return {"whatsapp_call_id": "wacid.1", "sdp": sdp, "whatsapp_cloud_api_version": "23.0"}


@shared_task
def show() -> None:
    leaked = secret()
    raise RuntimeError("this frame shows its secret" + leaked[:0])


@shared_task(bind=True, base=ConnectorTask)
def own(self: ConnectorTask) -> None:
    session = {"connect_url": f"wss://livekit.example/{secret()}"}  # as from self.call
    raise RuntimeError("Twilio refused it" + session["connect_url"][:0])


def run(task: Any, **fields: Any) -> None:
    task.apply(kwargs=fields)


def run_claimed(task: Any, **fields: Any) -> None:
    """Run a task as a worker does, with the store of claims down."""
    task.push_request(id="1", called_directly=False, kwargs=fields, retries=3)
    try:
        task.run(**fields)
    finally:
        task.pop_request()


def with_options(scene: Callable[[], object], **options: Any) -> None:
    use(**options)
    try:
        scene()
    finally:
        use()


use()
SCENES: dict[str, Callable[[], object]] = {
    "control": lambda: run(show),
    "dial fails": lambda: run(tasks.dial_whatsapp_call, **DIAL),
    "accept fails": lambda: run(tasks.accept_whatsapp_call, **accept()),
    "accept with a wrong field": lambda: run(tasks.accept_whatsapp_call, **accept(), x=1),
    "a secret among the arguments": lambda: run(
        tasks.dial_whatsapp_call, **DIAL, whatsapp_api_key=secret()
    ),
    "a secret is sent": lambda: tasks.dial_whatsapp_call.delay(**DIAL, whatsapp_api_key=secret()),
    "a wrong field is sent": lambda: tasks.accept_whatsapp_call.delay(**accept(), x=1),
    "the broker is down": lambda: tasks.accept_whatsapp_call.apply_async(
        kwargs=accept(), retry=False, ignore_result=True
    ),
    "a task of one's own fails": lambda: run(own),
    "the store is down": lambda: run_claimed(tasks.dial_whatsapp_call, **DIAL),
    "the store's URL is wrong": lambda: with_wrong_store(),
    "an unknown option": lambda: with_options(lambda: run(tasks.dial_whatsapp_call, **DIAL), X=1),
    "an unknown option, outside of a task": lambda: with_options(tasks.get_client, X=1),
    "a wrong option": lambda: with_options(
        lambda: run(tasks.accept_whatsapp_call, **accept()), TIMEOUT="10"
    ),
    "a secret with white space": lambda: with_options(
        lambda: run(tasks.dial_whatsapp_call, **DIAL), WHATSAPP_API_KEY=f"{secret()}\n"
    ),
}


def with_wrong_store() -> None:
    app.conf.livekit_connector_claims = f"redis://:{secret()}/x@127.0.0.1"
    run_claimed(tasks.dial_whatsapp_call, **DIAL)


if __name__ == "__main__":
    report(SCENES)
