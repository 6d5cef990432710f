"""Dial a list of numbers with Celery: rate-limited, on several machines, each number at most once.

    celery -A bulk_dial worker -Q bulk -c 8                 # on any number of machines
    python bulk_dial.py start spring-campaign numbers.txt   # one number a line, in digits
    python bulk_dial.py report spring-campaign numbers.txt

The `start` command is idempotent: a number's task always has the same id, and tasks with the same
id place one call. You can run it again after a crash, or with a longer list.

Redis keeps the claims that make this work. So that Redis doesn't lose them, run it with an
append-only file ("appendonly yes", "appendfsync always") and "maxmemory-policy noeviction".

Set REDIS_URL in the environment. For the workers, also set LIVEKIT_URL, LIVEKIT_API_KEY,
LIVEKIT_API_SECRET, WHATSAPP_PHONE_NUMBER_ID, WHATSAPP_API_KEY, WHATSAPP_CLOUD_API_VERSION, and
optionally BULK_RATE, the rate limit of one worker.
"""

from __future__ import annotations

import argparse
import os
import uuid
from collections import Counter
from pathlib import Path

from celery import Celery

from livekit_connector_sync import TwirpError
from livekit_connector_sync.contrib.celery import UnknownOutcome, dial_whatsapp_call

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
QUEUE = "bulk"  # a separate queue, so that accepting a call never waits for a campaign

app = Celery("bulk_dial", broker=REDIS_URL, backend=REDIS_URL, set_as_current=True)
app.conf.update(
    imports=["livekit_connector_sync.contrib.celery"],
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    # As long as claims are kept, so that the report can tell placed calls from waiting ones.
    result_expires=7 * 24 * 3600,
    result_backend_always_retry=True,  # a Redis outage must not turn a placed call into a failure
    # The limit is per worker: two workers dial twice as fast. Meta allows 1000 concurrent calls.
    # Name the task as text: `dial_whatsapp_call.name` would load it without its annotations.
    task_annotations={
        "livekit_connector.dial_whatsapp_call": {"rate_limit": os.environ.get("BULK_RATE", "5/s")},
    },
)


def numbers_in(path: Path) -> list[str]:
    """Return the numbers in a file, without duplicates."""
    return list(dict.fromkeys(path.read_text("utf-8").split()))


def task_id(campaign: str, number: str) -> str:
    """Return the id of a number's task, hashed because Meta's webhooks contain it."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{campaign}/{number}"))


def start(campaign: str, numbers: list[str]) -> None:
    """Queue a dial for each number."""
    for number in numbers:
        dial_whatsapp_call.apply_async(
            kwargs={
                "whatsapp_to_phone_number": number,
                "agents": [{"agent_name": campaign}],
                "ringing_timeout": 30,
            },
            task_id=task_id(campaign, number),
            queue=QUEUE,
        )
    print(f"{len(numbers)} queued")


def outcome(campaign: str, number: str) -> str:
    """Return the outcome of a number: placed, waiting, unknown, or an error code."""
    result = app.AsyncResult(task_id(campaign, number))
    if result.successful():
        return "placed"
    if not result.ready():
        return "waiting"
    error = result.result
    if isinstance(error, UnknownOutcome):
        return "unknown"
    if isinstance(error, TwirpError):
        # The next `start` dials again only if the phone cannot have rung.
        return f"{error.code}, dialled again" if error.safe_to_retry else str(error.code)
    return type(error).__name__


def report(campaign: str, numbers: list[str]) -> None:
    """Print how many numbers have each outcome."""
    for name, count in Counter(outcome(campaign, number) for number in numbers).most_common():
        print(f"{count:6} {name}")


def main() -> None:
    """Queue the dials, or print a report."""
    parser = argparse.ArgumentParser(description="Dial a list of numbers with Celery.")
    parser.add_argument("action", choices=("start", "report"))
    parser.add_argument("campaign", help="the name of the campaign and of its agent")
    parser.add_argument("numbers", type=Path, help="a file with one number in digits per line")
    options = parser.parse_args()
    action = start if options.action == "start" else report
    action(options.campaign, numbers_in(options.numbers))


if __name__ == "__main__":
    main()
