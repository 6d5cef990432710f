"""Dial a list of numbers with Celery: paced, spread over machines, nobody called twice.

    celery -A bulk_dial worker -Q bulk -c 8                 # on as many machines as you like
    python bulk_dial.py start spring-campaign numbers.txt   # one number a line, in digits
    python bulk_dial.py report spring-campaign numbers.txt

A number's task has the same id whenever the command runs, and two tasks with one id place one
call. So the first command may be repeated after a crash, or with a longer list.

The claims that make this so are in the Redis, which must not lose them: run it with an append-only
file ("appendonly yes", "appendfsync always") and "maxmemory-policy noeviction".

Environment: REDIS_URL; LIVEKIT_URL, LIVEKIT_API_KEY, LIVEKIT_API_SECRET; WHATSAPP_PHONE_NUMBER_ID,
WHATSAPP_API_KEY, WHATSAPP_CLOUD_API_VERSION for the workers; BULK_RATE, the pace of one worker.
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
QUEUE = "bulk"  # its own, so that accepting a call never waits behind a campaign

app = Celery("bulk_dial", broker=REDIS_URL, backend=REDIS_URL, set_as_current=True)
app.conf.update(
    imports=["livekit_connector_sync.contrib.celery"],
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=1,
    # Placed calls are told from dials that wait for as long as claims are kept.
    result_expires=7 * 24 * 3600,
    result_backend_always_retry=True,  # a placed call has not failed because Redis was away
    # Per worker: twice as many workers dial twice as fast. Meta allows 1000 calls at a time.
    task_annotations={
        dial_whatsapp_call.name: {"rate_limit": os.environ.get("BULK_RATE", "5/s")},
    },
)


def numbers_in(path: Path) -> list[str]:
    """Return the numbers in a file, each once."""
    return list(dict.fromkeys(path.read_text("utf-8").split()))


def task_id(campaign: str, number: str) -> str:
    """Return the id of a number's task; Meta's webhooks hold it, so it hides the number."""
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
    """Return what became of a number: placed, waiting, unknown, or the code of an error."""
    result = app.AsyncResult(task_id(campaign, number))
    if result.successful():
        return "placed"
    if not result.ready():
        return "waiting"
    error = result.result
    if isinstance(error, UnknownOutcome):
        return "unknown"
    if isinstance(error, TwirpError):
        # What did nothing is dialled by the next `start`; the rest is not, as it may have rung.
        return f"{error.code}, dialled again" if error.safe_to_retry else str(error.code)
    return type(error).__name__


def report(campaign: str, numbers: list[str]) -> None:
    """Print how many numbers came to what."""
    for name, count in Counter(outcome(campaign, number) for number in numbers).most_common():
        print(f"{count:6} {name}")


def main() -> None:
    """Queue or report."""
    parser = argparse.ArgumentParser(description="Dial a list of numbers with Celery.")
    parser.add_argument("action", choices=("start", "report"))
    parser.add_argument("campaign", help="names the campaign, and the agent that talks")
    parser.add_argument("numbers", type=Path, help="a file of numbers in digits")
    options = parser.parse_args()
    action = start if options.action == "start" else report
    action(options.campaign, numbers_in(options.numbers))


if __name__ == "__main__":
    main()
