"""The tasks without a broker: arguments, settings, claims and errors."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Optional

import pytest
import redis
from celery import Celery, shared_task
from celery.exceptions import Retry
from celery.signals import worker_process_shutdown
from helpers.workers import Switchboard

import livekit_connector_sync as lk
from livekit_connector_sync.contrib import celery as tasks
from livekit_connector_sync.contrib.celery import ConnectorTask, UnknownOutcome
from livekit_connector_sync.contrib.celery.arguments import find_method
from livekit_connector_sync.contrib.celery.claims import (
    Claim,
    StillRunning,
    TaskClaim,
    place_call,
    read_outcome,
    take_claim,
)
from livekit_connector_sync.contrib.celery.stores import RedisStore
from livekit_connector_sync.contrib.celery.task import bound_timeout

NUMBER = "15551234567"


@pytest.fixture
def app(switchboard: Switchboard) -> Iterator[Celery]:
    """Yield an app whose tasks run eagerly, in the caller's process."""
    app = Celery("eager", set_as_current=True)
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    yield app
    worker_process_shutdown.send(sender=None)
    app.close()


@pytest.mark.usefixtures("app")
def test_the_settings_of_the_alias_complete_the_request(switchboard: Switchboard) -> None:
    result = tasks.dial_whatsapp_call.delay(
        whatsapp_to_phone_number=NUMBER,
        agents=[{"agent_name": "receptionist"}],
        participant_attributes={"ticket": "4711"},
        ringing_timeout=20,
    )
    request = switchboard.dials[0].request
    assert request.whatsapp_api_key == "an-access-token-of-meta"
    assert request.whatsapp_phone_number_id == "106540352242922"
    assert request.whatsapp_cloud_api_version == "23.0"
    assert request.whatsapp_biz_opaque_callback_data == result.id
    assert request.agents[0].agent_name == "receptionist"
    assert dict(request.participant_attributes) == {"ticket": "4711"}
    assert request.ringing_timeout.seconds == 20
    assert json.loads(json.dumps(result.get())) == result.get()


def test_an_alias_selects_another_project(app: Celery, switchboard: Switchboard) -> None:
    emulator = switchboard.emulator
    keys = {"URL": emulator.url, "API_KEY": emulator.api_key, "API_SECRET": emulator.api_secret}
    sales = {
        "WHATSAPP_PHONE_NUMBER_ID": "2",
        "WHATSAPP_API_KEY": "of-sales",
        "WHATSAPP_CLOUD_API_VERSION": "23.0",
    }
    app.conf.livekit_connector = {"default": keys, "sales": {**keys, **sales}}
    tasks.dial_whatsapp_call.delay(
        alias="sales", whatsapp_to_phone_number=NUMBER, whatsapp_cloud_api_version="24.0"
    )
    request = switchboard.dials[0].request
    assert request.whatsapp_phone_number_id == "2"
    assert request.whatsapp_api_key == "of-sales"
    assert request.whatsapp_cloud_api_version == "24.0"
    with pytest.raises(ValueError, match=r"unknown alias 'sale'.*'sales'"):
        tasks.dial_whatsapp_call.delay(alias="sale", whatsapp_to_phone_number=NUMBER)


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize(
    ("fields", "error", "text"),
    [
        ({"whatsapp_to_phone_numbr": NUMBER}, TypeError, "no field 'whatsapp_to_phone_numbr'"),
        ({"whatsapp_to_phone_number": 1555}, TypeError, "must be a str"),
        ({"ringing_timeout": -1}, ValueError, "ringing_timeout"),
        ({"whatsapp_api_key": "key"}, ValueError, "WHATSAPP_API_KEY"),
    ],
)
def test_wrong_arguments_fail_when_the_task_is_sent(
    switchboard: Switchboard, fields: dict[str, Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        tasks.dial_whatsapp_call.apply_async(kwargs=fields)
    with pytest.raises(error, match=text):
        tasks.dial_whatsapp_call.s(**fields).apply_async()
    assert not switchboard.emulator.requests


@pytest.mark.usefixtures("app")
def test_the_key_is_sent_only_if_the_call_needs_it(switchboard: Switchboard) -> None:
    call = switchboard.emulator.inbound_call()
    tasks.disconnect_whatsapp_call.delay(
        whatsapp_call_id=call.whatsapp_call_id, disconnect_reason="USER_INITIATED"
    )
    assert switchboard.emulator.requests[-1].request.whatsapp_api_key == ""


@pytest.mark.usefixtures("app")
def test_a_twilio_direction_must_be_named() -> None:
    with pytest.raises(TypeError, match="needs twilio_call_direction"):
        tasks.connect_twilio_call.delay(room_name="call-1")


@pytest.mark.usefixtures("app")
def test_a_custom_task(switchboard: Switchboard) -> None:
    @shared_task(bind=True, base=ConnectorTask, name="tests.place")
    def place(self: ConnectorTask, number: str) -> str:
        return str(self.call("dial_whatsapp_call", whatsapp_to_phone_number=number)["room_name"])

    assert place.delay(NUMBER).get() == switchboard.emulator.calls[0].room_name
    with pytest.raises(ValueError, match="no RPC 'dial'"):
        place.app.tasks["tests.place"].call("dial")


@pytest.mark.usefixtures("app")
def test_a_task_places_one_call(switchboard: Switchboard) -> None:
    @shared_task(bind=True, base=ConnectorTask, name="tests.place_two")
    def place_two(self: ConnectorTask) -> None:
        with pytest.raises(lk.InvalidArgument):  # nothing was placed
            self.call("dial_whatsapp_call", whatsapp_to_phone_number="+" + NUMBER)
        self.call("dial_whatsapp_call", whatsapp_to_phone_number=NUMBER)
        self.call("dial_whatsapp_call", whatsapp_to_phone_number="15551234568")

    with pytest.raises(RuntimeError, match=r"one call: tests\.place_two has already made Dial"):
        place_two.delay()
    assert len(switchboard.dials) == 1


def test_a_call_that_rings_needs_a_time_limit(
    app: Celery, switchboard: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.conf.update(
        task_always_eager=False,
        livekit_connector_claims="redis://127.0.0.1:1",
        livekit_connector={"TIMEOUT": None},
    )
    task = tasks.dial_whatsapp_call._get_current_object()
    monkeypatch.setattr(task, "soft_time_limit", None)
    task.push_request(id="1", called_directly=False, kwargs={})
    with pytest.raises(ValueError, match="DialWhatsAppCall needs a limit in a task: set TIMEOUT"):
        task.run(whatsapp_to_phone_number=NUMBER)
    task.pop_request()
    assert not switchboard.dials


@pytest.mark.usefixtures("app")
def test_monitors_see_redacted_arguments() -> None:
    sent = {}

    def note(self: Any, *args: Any, **options: Any) -> None:
        sent.update(options)

    fields = {"whatsapp_to_phone_number": NUMBER, "room_name": "sales"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("celery.Task.apply_async", note)
        tasks.dial_whatsapp_call.delay(**fields)
        sdp = {"type": "offer", "sdp": "v=0 a=ice-pwd:secret"}
        shown = sent["kwargsrepr"]
        tasks.accept_whatsapp_call.delay(whatsapp_call_id="wacid.1", sdp=sdp)
    assert "room_name='sales'" in shown
    assert NUMBER not in shown
    assert "ice-pwd" not in sent["kwargsrepr"]


@pytest.mark.usefixtures("app")
def test_tasks_of_calls_that_somebody_waits_for_expire() -> None:
    limits = {
        name.partition(".")[2]: (task.expires, task.soft_time_limit)
        for name, task in tasks.dial_whatsapp_call.app.tasks.items()
        if name.startswith("livekit_connector.")
    }
    assert limits == {
        "dial_whatsapp_call": (None, 30),
        "accept_whatsapp_call": (25, 90),
        "connect_whatsapp_call": (25, 90),
        "disconnect_whatsapp_call": (None, 30),
        "connect_twilio_call": (None, 30),
    }


@pytest.mark.parametrize(
    ("timeout", "soft_limit", "bound"),
    [(10.0, 30, 10.0), (62.0, 30, 28.0), (None, 90, 88.0), (10.0, 3, 1.5), (None, None, None)],
)
def test_a_call_ends_before_its_tasks_soft_limit(
    timeout: Optional[float], soft_limit: Optional[int], bound: Optional[float]
) -> None:
    assert bound_timeout(timeout, soft_limit) == bound


def test_the_clients_close_with_the_worker_process(app: Celery, switchboard: Switchboard) -> None:
    client = tasks.get_client()
    worker_process_shutdown.send(sender=None)
    with pytest.raises(ValueError, match="closed"):
        client.disconnect_whatsapp_call(whatsapp_call_id="1", whatsapp_api_key="key")
    assert tasks.get_client() is not client


def test_a_dial_without_a_shared_store_is_rejected(app: Celery, switchboard: Switchboard) -> None:
    app.conf.update(task_always_eager=False, broker_url="memory://")
    task = tasks.dial_whatsapp_call._get_current_object()
    task.push_request(id="1", called_directly=False, kwargs={})
    with pytest.raises(ValueError, match="set livekit_connector_claims to a Redis URL"):
        task.run(whatsapp_to_phone_number=NUMBER)
    task.pop_request()
    assert not switchboard.dials


class FakeStore:
    """A store in a dict, which can lose the response to `add`."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.repeats = 1

    def add(self, key: str, value: str, ttl: int) -> Optional[str]:
        for _ in range(self.repeats):
            found = self.values.get(key)
            self.values.setdefault(key, value)
        return found

    def set(self, key: str, value: str, ttl: int) -> None:
        self.values[key] = value

    def delete(self, key: str) -> None:
        del self.values[key]


def test_the_second_run_gets_the_outcome_of_the_first() -> None:
    store = FakeStore()
    first, second = TaskClaim(store, "t", 60), TaskClaim(store, "t", 60)
    assert take_claim(first, 10) is None
    earlier = take_claim(second, 10)
    assert isinstance(earlier, Claim)
    assert 8 < earlier.until - time.time() <= 10
    assert (earlier.result, earlier.error) == (None, None)

    first.record(result={"room_name": "sales"})
    done = take_claim(second, 10)
    assert done is not None
    assert done.result == {"room_name": "sales"}

    first.record(made=True)
    done = take_claim(second, 10)
    assert done is not None
    assert (done.made, done.result) == (True, None)

    first.release()
    assert take_claim(second, 10) is None


def test_a_later_run_gets_the_outcome_of_the_earlier_one() -> None:
    dial = find_method("dial_whatsapp_call")
    request = lk.DialWhatsAppCallRequest(whatsapp_biz_opaque_callback_data="order-7")
    started = Claim("run", until=100.0)
    error = lk.NotFound("gone", {"a": "b"}, status=404, attempts=2, maybe_sent=True, url="http://x")

    def read(now: float, **outcome: Any) -> dict[str, Any]:
        stored = replace(started, **outcome).to_json()
        return read_outcome(Claim.from_json(stored), "t", dial, request, now)

    assert read(90.0, result={"room_name": "sales"}) == {"room_name": "sales"}
    with pytest.raises(StillRunning) as running:
        read(90.0)
    assert running.value.seconds == 10.0
    for now, made, text in ((100.0, False, "died before it recorded"), (90.0, True, "is a secret")):
        with pytest.raises(UnknownOutcome, match=text) as unknown:
            read(now, made=made)
        assert unknown.value.metadata["callback_data"] == "order-7"
    with pytest.raises(lk.NotFound) as failed:
        read(90.0, error=error.to_dict())
    assert failed.value.args == error.args


def test_an_outcome_is_recorded_after_a_short_outage_of_the_store(
    app: Celery, switchboard: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Away(FakeStore):
        failures = 2

        def set(self, key: str, value: str, ttl: int) -> None:
            if self.failures:
                self.failures -= 1
                raise ConnectionError
            super().set(key, value, ttl)

    store = Away()
    monkeypatch.setattr("livekit_connector_sync.contrib.celery.task.get_store", lambda _: store)
    task = tasks.dial_whatsapp_call._get_current_object()
    task.push_request(id="1", called_directly=False, kwargs={})
    result = task.run(whatsapp_to_phone_number=NUMBER)
    task.pop_request()
    (text,) = store.values.values()
    assert Claim.from_json(text).result == result


@pytest.mark.parametrize("retries", [0, 3])
def test_a_redelivered_task_is_retried_when_its_first_run_has_ended(
    app: Celery, switchboard: Switchboard, monkeypatch: pytest.MonkeyPatch, retries: int
) -> None:
    store = FakeStore()
    take_claim(TaskClaim(store, "1", 60), 20)  # the first run, which is still going
    monkeypatch.setattr("livekit_connector_sync.contrib.celery.task.get_store", lambda _: store)
    monkeypatch.setattr("celery.Task.apply_async", lambda *_, **__: None)
    task = tasks.dial_whatsapp_call._get_current_object()
    task.push_request(id="1", called_directly=False, kwargs={}, retries=retries)
    # Whatever its number of retries: waiting does not count.
    with pytest.raises(Retry) as retry:
        task.run(whatsapp_to_phone_number=NUMBER)
    task.pop_request()
    assert 15 < retry.value.when <= 20
    assert not switchboard.dials


def place(store: Any, response: Any, seconds: float = 10) -> Any:
    """Place a call that has a response or fails, under the claim "t"."""

    def send() -> Any:
        if isinstance(response, Exception):
            raise response
        return response

    claim = TaskClaim(store, "t", 60)
    assert take_claim(claim, seconds) is None
    method = find_method("connect_twilio_call")
    return place_call(send, method, lk.ConnectTwilioCallRequest(), claim)


def test_what_a_claim_records() -> None:
    store = FakeStore()
    with pytest.raises(lk.Unavailable):
        place(store, lk.Unavailable("restarting", safe_to_retry=True))
    assert store.values == {}  # the next run may place the call
    with pytest.raises(lk.InvalidArgument):
        place(store, lk.InvalidArgument("no such number", maybe_sent=True))
    (text,) = store.values.values()
    assert "no such number" in json.dumps(Claim.from_json(text).error)

    store = FakeStore()
    url = "wss://livekit.example/secret"
    assert place(store, lk.ConnectTwilioCallResponse(connect_url=url)) == {"connect_url": url}
    (text,) = store.values.values()
    assert (Claim.from_json(text).made, Claim.from_json(text).result) == (True, None)
    assert url not in text


def test_no_call_is_placed_while_the_store_is_down_and_a_retry_is_safe() -> None:
    class Down(FakeStore):
        def add(self, key: str, value: str, ttl: int) -> None:
            raise ConnectionError

    with pytest.raises(lk.Unavailable, match="no call was placed") as down:
        take_claim(TaskClaim(Down(), "t", 60), 10)
    assert down.value.safe_to_retry


def test_a_call_that_may_have_been_placed_is_not_retried(
    app: Celery, switchboard: Switchboard
) -> None:
    switchboard.emulator.drop_region(0)  # every connection is closed without a response
    task = tasks.dial_whatsapp_call._get_current_object()
    task.push_request(id="1", called_directly=False, kwargs={}, is_eager=True)
    with pytest.raises(lk.Unavailable) as lost:  # and not Retry
        task.run(whatsapp_to_phone_number=NUMBER)
    task.pop_request()
    assert not lost.value.safe_to_retry


def test_a_store_that_stays_down_does_not_block_a_run(caplog: pytest.LogCaptureFixture) -> None:
    class Gone(FakeStore):
        def set(self, key: str, value: str, ttl: int) -> None:
            raise ConnectionError

    started = time.monotonic()
    place(Gone(), lk.ConnectTwilioCallResponse(), seconds=1.5)
    assert time.monotonic() - started < 1.2  # it stops a second before the run has to end
    assert "an outcome is not recorded" in caplog.text


def test_a_run_recognizes_its_own_claim_after_a_lost_reply() -> None:
    store = FakeStore()
    store.repeats = 2  # redis-py sends a command again after a broken connection
    assert take_claim(TaskClaim(store, "t", 60), 10) is None


def test_an_unknown_outcome_pickles_and_names_the_remedy() -> None:
    from livekit_connector_sync.contrib.celery.errors import make_unknown_outcome

    error = make_unknown_outcome("id-1", "livekit.Connector/DialWhatsAppCall", "data-1", "room")
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is UnknownOutcome
    assert (str(copy), copy.args) == (str(error), error.args)
    assert isinstance(copy, lk.TwirpError)
    assert copy.maybe_sent
    assert not copy.safe_to_retry
    assert "biz_opaque_callback_data 'data-1' in Meta's webhooks" in str(copy)
    twilio = make_unknown_outcome("id-1", "livekit.Connector/ConnectTwilioCall", "", "call-1")
    assert "check whether the room 'call-1' has its participant" in str(twilio)


def test_without_celery_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['celery'] = None\n"
        "try:\n    import livekit_connector_sync.contrib.celery\n"
        "except ImportError as exc:\n    print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "livekit-connector-sync[celery]"' in done.stdout


@pytest.mark.parametrize("word", ["CERT_REQUIRED", "required", "CERT_NONE"])
def test_redis_urls_are_accepted_as_celery_accepts_them(word: str) -> None:
    store = RedisStore(f"rediss://:pa55@127.0.0.1:1/0?ssl_cert_reqs={word}")
    with pytest.raises(redis.ConnectionError):
        store.add("key", "value", 1)


@pytest.mark.parametrize(
    "url",
    [
        "rediss://:pa55@x/0?ssl_cert_reqs=maybe",
        "redis://:pa55@x/0?virtual_host=1",
        "redis://:pa55/word@x/0",  # "pa55" is the port for Python
    ],
)
def test_an_unsupported_redis_url_is_not_reported_as_an_outage(url: str) -> None:
    with pytest.raises(ValueError, match="livekit_connector_claims") as caught:
        RedisStore(url)
    assert "pa55" not in str(caught.value)


@pytest.mark.redis
def test_redis_keeps_the_first_claim_and_its_outcome_until_they_expire(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisStore(redis_url)
    assert store.add("claim", "first", 60) is None
    assert store.add("claim", "second", 90) == "first"
    with redis.Redis.from_url(redis_url) as connection:
        assert 50 < connection.ttl("claim") <= 60
        store.set("claim", "outcome", 90)
        assert 80 < connection.ttl("claim") <= 90
        assert connection.get("claim") == b"outcome"
    monkeypatch.setattr("redis.Redis.get", lambda *_: None)  # it expired in between
    with pytest.raises(ConnectionError, match="expired"):
        store.add("claim", "third", 60)
    store.delete("claim")
    assert store.add("claim", "fourth", 60) is None
