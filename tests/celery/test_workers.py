"""Real workers with a real Redis; the emulator plays LiveKit and counts every call."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import Any

import pytest
import redis
from celery.exceptions import TaskRevokedError
from helpers.workers import PATIENCE, Site, Switchboard, wait_until

import livekit_connector_sync as lk
from livekit_connector_sync.contrib.celery import (
    UnknownOutcome,
    accept_whatsapp_call,
    connect_twilio_call,
    connect_whatsapp_call,
    dial_whatsapp_call,
    disconnect_whatsapp_call,
)
from livekit_connector_sync.contrib.celery.stores import RedisStore

pytestmark = [
    pytest.mark.redis,
    # Celery 5.4 with redis-py 5 leaves sockets of its result backend to the garbage collector.
    pytest.mark.filterwarnings(
        "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
    ),
]

NUMBER = "15551234567"
KEEP_URL = {"livekit_connector.connect_twilio_call": {"ignore_result": False}}
POOLS = ["prefork", "gevent", "threads", "solo"]


def numbers_of(switchboard: Switchboard) -> Counter[str]:
    """Return the number of calls placed, by phone number."""
    return Counter(call.user_number for call in switchboard.emulator.calls)


@pytest.mark.parametrize("pool", POOLS)
def test_all_five_calls_in_every_pool(site: Site, switchboard: Switchboard, pool: str) -> None:
    emulator = switchboard.emulator
    site.configure(task_annotations=KEEP_URL)
    site.start_worker(pool)
    task = dial_whatsapp_call.delay(whatsapp_to_phone_number=NUMBER, room_name="sales")
    result = task.get(PATIENCE)
    (call,) = emulator.calls
    assert result == {"whatsapp_call_id": call.id, "room_name": "sales"}
    assert call.callback_data == task.id
    assert switchboard.dials[0].headers["x-livekit-request-id"] == task.id

    emulator.answer(call)
    sdp = {"type": call.sdp.type, "sdp": call.sdp.sdp}
    for _ in range(2):  # as after a webhook that came twice
        connect = connect_whatsapp_call.delay(whatsapp_call_id=call.id, sdp=sdp)
        assert connect.get(PATIENCE) == {}
    assert call.state == "active"
    for _ in range(2):
        assert disconnect_whatsapp_call.delay(whatsapp_call_id=call.id).get(PATIENCE) == {}
    assert call.state == "ended"

    inbound = emulator.inbound_call()
    offer = {"type": inbound.sdp.type, "sdp": inbound.sdp.sdp}
    for _ in range(2):
        accept = accept_whatsapp_call.delay(
            whatsapp_call_id=inbound.id, sdp=offer, room_name="support"
        )
        assert accept.get(PATIENCE) == {"room_name": "support"}
    assert inbound.state == "active"
    emulator.hang_up(inbound)
    over = disconnect_whatsapp_call.delay(
        whatsapp_call_id=inbound.id, disconnect_reason="USER_INITIATED"
    )
    assert over.get(PATIENCE) == {}
    assert emulator.requests[-1].request.whatsapp_api_key == ""

    fields = {"room_name": "call-1", "twilio_call_direction": "TWILIO_CALL_DIRECTION_OUTBOUND"}
    session = connect_twilio_call.delay(**fields).get(PATIENCE)
    assert session == {"connect_url": emulator.calls[-1].connect_url}


@pytest.mark.parametrize("serializer", ["json", "pickle"])
def test_flow_F_a_session_from_the_parent_and_an_error_from_a_child_process(
    site: Site, switchboard: Switchboard, serializer: str
) -> None:
    site.configure(result_serializer=serializer, result_accept_content=["json", "pickle"])
    worker = site.start_worker("prefork", CALL_IN_PARENT="1")
    assert len(worker.children()) == 2
    dials = [
        dial_whatsapp_call.delay(whatsapp_to_phone_number=f"1555{n:05}99") for n in range(1, 21)
    ]
    placed = {dial.get(PATIENCE)["whatsapp_call_id"] for dial in dials}
    assert len(placed) == 20

    refused = dial_whatsapp_call.delay(whatsapp_to_phone_number="15550138006")
    with pytest.raises(lk.InvalidArgument) as info:
        refused.get(PATIENCE)
    error = info.value
    assert type(error) is lk.InvalidArgument
    assert error.code is lk.StatusCode.INVALID_ARGUMENT
    assert error.message == (
        "whatsapp api call failed: (#138006) No approved call permission from the receiver"
    )
    assert error.metadata == {}
    assert (error.status, error.request_id, error.attempts) == (400, refused.id, 1)
    assert error.method == "livekit.Connector/DialWhatsAppCall"
    assert error.maybe_sent
    assert not error.safe_to_retry


@pytest.mark.parametrize("victim", ["child", "worker"])
def test_a_worker_killed_while_it_dials(site: Site, switchboard: Switchboard, victim: str) -> None:
    # Redis redelivers the tasks of a dead worker after one second.
    site.configure(
        broker_transport_options={"visibility_timeout": 1},
        livekit_connector={"TIMEOUT": 1.0},
    )
    switchboard.going_on.clear()
    worker = site.start_worker("prefork", concurrency=1)
    task = dial_whatsapp_call.delay(whatsapp_to_phone_number=NUMBER)
    wait_until(lambda: switchboard.under_way, "the dial to reach LiveKit")
    if victim == "child":
        (child,) = worker.children()
        os.kill(child, signal.SIGKILL)
    else:
        worker.kill()
        time.sleep(1.1)
        site.start_worker("prefork", concurrency=1)
    switchboard.going_on.set()
    with pytest.raises(UnknownOutcome) as info:
        task.get(PATIENCE)
    assert type(info.value) is UnknownOutcome
    assert info.value.metadata["task_id"] == task.id
    (call,) = switchboard.emulator.calls
    assert call.callback_data == info.value.metadata["callback_data"] == task.id
    assert len(switchboard.dials) == 1
    assert task.id in str(info.value)
    assert NUMBER not in str(info.value)


def test_a_worker_killed_before_it_dials_loses_nothing(
    site: Site, switchboard: Switchboard
) -> None:
    site.configure(broker_transport_options={"visibility_timeout": 1})
    switchboard.going_on.clear()
    worker = site.start_worker("prefork", concurrency=1)
    dials = [dial_whatsapp_call.delay(whatsapp_to_phone_number=f"1555{n:05}99") for n in range(3)]
    wait_until(lambda: switchboard.under_way, "the first dial")
    worker.kill()  # which holds the other two
    time.sleep(1.1)
    switchboard.going_on.set()
    site.start_worker("prefork", concurrency=2)
    assert dials[1].get(PATIENCE)
    assert dials[2].get(PATIENCE)
    assert set(numbers_of(switchboard).values()) == {1}


def test_a_rejected_dial_is_retried_with_the_same_id(site: Site, switchboard: Switchboard) -> None:
    # The client makes three attempts; then the task retries.
    switchboard.errors += [lk.Unavailable("restarting") for _ in range(4)]
    site.start_worker("threads")
    task = dial_whatsapp_call.delay(whatsapp_to_phone_number=NUMBER)
    assert task.get(PATIENCE)["whatsapp_call_id"] == switchboard.emulator.calls[0].id
    assert [dial.outcome for dial in switchboard.dials] == ["unavailable"] * 4 + ["ok"]
    assert {dial.headers["x-livekit-request-id"] for dial in switchboard.dials} == {task.id}


def test_an_accept_is_retried_until_it_expires(site: Site, switchboard: Switchboard) -> None:
    emulator = switchboard.emulator
    call = emulator.inbound_call()
    sdp = {"type": call.sdp.type, "sdp": call.sdp.sdp}
    worker = site.start_worker("threads")
    emulator.drop_region(0)  # every connection is closed without a response
    task = accept_whatsapp_call.delay(whatsapp_call_id=call.id, sdp=sdp, room_name="support")
    wait_until(lambda: "Retry in" in worker.log, "the task to come back")
    emulator.restore_region(0)
    assert task.get(PATIENCE) == {"room_name": "support"}
    assert {r.headers["x-livekit-request-id"] for r in emulator.requests} == {task.id}

    late = accept_whatsapp_call.apply_async(
        kwargs={"whatsapp_call_id": call.id, "sdp": sdp}, expires=-1
    )
    with pytest.raises(TaskRevokedError, match="expired"):
        late.get(PATIENCE)


def test_nothing_is_dialled_while_the_store_is_down(site: Site, switchboard: Switchboard) -> None:
    # Nothing listens at port 1. Nothing was sent, so the task retries once, and then fails.
    site.configure(
        livekit_connector_claims="redis://127.0.0.1:1/0",
        task_annotations={"*": {"max_retries": 1}},
    )
    site.start_worker("threads")
    task = dial_whatsapp_call.delay(whatsapp_to_phone_number=NUMBER)
    with pytest.raises(lk.Unavailable, match="the store of claims failed") as info:
        task.get(PATIENCE)
    assert not info.value.maybe_sent
    assert not switchboard.dials


def test_an_ambiguous_dial_is_not_retried(site: Site, switchboard: Switchboard) -> None:
    site.configure(livekit_connector={"TIMEOUT": 0.5})
    switchboard.going_on.clear()
    site.start_worker("threads")
    task = dial_whatsapp_call.delay(whatsapp_to_phone_number=NUMBER)
    with pytest.raises(lk.DeadlineExceeded) as info:
        task.get(PATIENCE)
    assert info.value.maybe_sent
    switchboard.going_on.set()
    # If it is redelivered, it raises the same error.
    again = dial_whatsapp_call.apply_async(
        kwargs={"whatsapp_to_phone_number": NUMBER}, task_id=task.id
    )
    again.forget()
    with pytest.raises(lk.DeadlineExceeded):
        again.get(PATIENCE)
    assert len(switchboard.dials) == 1


def test_a_task_delivered_twice_dials_once(site: Site, switchboard: Switchboard) -> None:
    switchboard.going_on.clear()
    site.start_worker("threads", concurrency=4)
    kwargs = {"whatsapp_to_phone_number": NUMBER}
    tasks = [dial_whatsapp_call.apply_async(kwargs=kwargs, task_id="campaign-1") for _ in "ab"]
    # The second run starts while the first one dials, so it retries when that must have ended.
    wait_until(lambda: "Retry in" in site.workers[0].log, "the second run to step back")
    switchboard.going_on.set()
    results = [task.get(PATIENCE) for task in tasks]
    third = dial_whatsapp_call.apply_async(kwargs=kwargs, task_id="campaign-1")
    results.append(third.get(PATIENCE))
    assert results == [results[0]] * 3
    assert len(switchboard.dials) == 1


def test_a_worker_warns_if_claims_might_be_lost(site: Site, redis_url: str) -> None:
    worker = site.start_worker("solo")
    wait_until(lambda: "that keeps them has no append-only file" in worker.log, "the warning")
    store = RedisStore(redis_url)
    with redis.Redis.from_url(redis_url) as connection:
        connection.config_set("maxmemory", "100mb")
        connection.config_set("maxmemory-policy", "allkeys-lru")
        assert "allkeys-lru" in store.find_risks()[1]
        connection.config_set("maxmemory-policy", "noeviction")
        connection.config_set("appendonly", "yes")
        assert store.find_risks() == []
        connection.config_set("appendonly", "no")
        connection.config_set("maxmemory", "0")


def test_no_secret_reaches_the_broker(site: Site, switchboard: Switchboard, redis_url: str) -> None:

    with pytest.raises(ValueError, match="WHATSAPP_API_KEY"):
        dial_whatsapp_call.delay(whatsapp_to_phone_number=NUMBER, whatsapp_api_key="key")
    dial_whatsapp_call.delay(whatsapp_to_phone_number=NUMBER)
    fields = {"room_name": "call-1", "twilio_call_direction": "TWILIO_CALL_DIRECTION_OUTBOUND"}
    connect_twilio_call.delay(**fields)
    with redis.Redis.from_url(redis_url) as connection:
        queued = b"".join(connection.lrange("celery", 0, -1))
        assert b"livekit_connector.dial_whatsapp_call" in queued
        site.start_worker("threads")
        wait_until(lambda: len(switchboard.emulator.calls) == 2, "both calls")
        wait_until(lambda: site.workers[0].log.count(" succeeded in ") == 2, "both tasks")
        stored = dump(connection)
    for secret in ("an-access-token-of-meta", switchboard.emulator.api_secret, "/twilio/TW_"):
        assert secret.encode() not in queued + stored
    assert NUMBER not in site.workers[0].log


def dump(connection: Any) -> bytes:
    """Return the text values of a Redis."""
    return b"".join(
        connection.get(key) for key in connection.scan_iter() if connection.type(key) == b"string"
    )


def test_a_secret_argument_is_rejected_in_the_worker(site: Site, switchboard: Switchboard) -> None:
    site.start_worker("threads")
    kwargs = {"whatsapp_to_phone_number": NUMBER, "whatsapp_api_key": "key"}
    task = site.app.send_task("livekit_connector.dial_whatsapp_call", kwargs=kwargs)
    with pytest.raises(ValueError, match="WHATSAPP_API_KEY"):
        task.get(PATIENCE)
    assert not switchboard.dials


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_two_workers_place_every_queued_dial_once(
    site: Site, switchboard: Switchboard, pool: str
) -> None:
    # Greenlets acknowledge at once, and kombu's own limit is 10 connections for all of them.
    site.configure(broker_transport_options={"max_connections": 100})
    concurrency = 2 if pool == "prefork" else 20
    for _ in range(2):
        site.start_worker(pool, concurrency=concurrency)
    switchboard.going_on.clear()
    count = int(os.environ.get("DIALS", "200"))
    for n in range(count):
        dial_whatsapp_call.apply_async(
            kwargs={"whatsapp_to_phone_number": f"1555{n:05}99", "ringing_timeout": 300},
            task_id=f"{pool}-{n}",
        )
    # Hold the dials until both workers are busy; otherwise, one worker might do them all.
    wait_until(lambda: len(switchboard.dials) >= 2 * concurrency, "both workers")
    started = time.monotonic()
    switchboard.going_on.set()
    wait_until(lambda: len(switchboard.dials) >= count, "every dial", timeout=120)
    print(f"{count} dials by two {pool} workers: {time.monotonic() - started:.1f} s")
    tasks = [site.app.AsyncResult(f"{pool}-{n}") for n in range(count)]
    wait_until(lambda: all(task.ready() for task in tasks), "every result")
    assert len({task.result["whatsapp_call_id"] for task in tasks}) == count
    assert len(switchboard.dials) == count
    assert numbers_of(switchboard) == Counter(f"1555{n:05}99" for n in range(count))
    done = [worker.log.count(" succeeded in ") for worker in site.workers]
    assert all(done), f"one worker did it all: {done}"


def test_a_worker_that_dies_under_load(site: Site, switchboard: Switchboard) -> None:
    # After one second, kombu redelivers a worker's tasks, even if the worker is alive. It checks
    # when a worker starts, and takes 10 tasks at a time.
    site.configure(
        broker_transport_options={"visibility_timeout": 1},
        worker_prefetch_multiplier=1,
        livekit_connector={"TIMEOUT": 1.0},
    )
    count = 100
    tasks = [
        dial_whatsapp_call.delay(whatsapp_to_phone_number=f"1555{n:05}99") for n in range(count)
    ]
    first = site.start_worker("prefork")
    wait_until(lambda: len(switchboard.emulator.calls) >= 20, "some dials")
    first.kill()
    time.sleep(1.1)
    site.start_worker("prefork")
    broker = site.app.backend.client
    wait_until(
        lambda: not (broker.llen("celery") or broker.zcard("unacked_index")), "an empty queue"
    )
    outcomes: Counter[str] = Counter()
    for task in tasks:
        if task.failed():
            assert type(task.result) is UnknownOutcome
        outcomes[task.state] += 1
    # If kombu is killed between taking a message from Redis and recording it, the message is lost.
    assert outcomes["PENDING"] <= 1
    assert len(switchboard.dials) == len(switchboard.emulator.calls)  # so none was rejected
    placed = numbers_of(switchboard)
    assert set(placed.values()) == {1}
    # Only the dials that were running when the worker died have an unknown outcome.
    assert outcomes["FAILURE"] <= 2
    assert outcomes["SUCCESS"] <= len(placed) <= count


def test_flow_E_a_twilio_session_is_created_once(site: Site, switchboard: Switchboard) -> None:
    site.configure(livekit_connector={"TIMEOUT": 0.5}, task_annotations=KEEP_URL)
    site.start_worker("threads")
    fields = {"room_name": "call-1", "twilio_call_direction": "TWILIO_CALL_DIRECTION_OUTBOUND"}
    first = connect_twilio_call.apply_async(kwargs=fields, task_id="t-1")
    assert first.get(PATIENCE)["connect_url"].startswith("ws://")
    first.forget()
    # Delivered again: the URL was never stored, so nobody can tell what became of it.
    again = connect_twilio_call.apply_async(kwargs=fields, task_id="t-1")
    with pytest.raises(UnknownOutcome, match="whether the room 'call-1' has its participant"):
        again.get(PATIENCE)
    assert len(switchboard.emulator.calls) == 1

    switchboard.emulator.drop_region(0)  # closes the connection without a response
    lost = connect_twilio_call.delay(**fields)
    with pytest.raises(lk.Unavailable) as info:
        lost.get(PATIENCE)
    assert info.value.maybe_sent
    assert len(switchboard.emulator.requests) == 2
