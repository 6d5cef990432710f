"""Threads, forks, and greenlets share a channel."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Optional

import pytest
import requests
from helpers.scripted import CLOSE, Drip, Request, ScriptedServer, http

import livekit_connector_sync as lk

from .calls import BODY, DIAL, OK, refused, run, works

Serve = Callable[..., ScriptedServer]
Dial = Callable[..., lk.ConnectorStub]


@pytest.fixture(params=["own", "users"])
def session(request: pytest.FixtureRequest) -> Iterator[Optional[requests.Session]]:
    if request.param == "own":
        yield None
    else:
        with requests.Session() as session:
            yield session


def echo(request: Request) -> bytes:
    """Respond to a call with the requested room."""
    room = lk.DialWhatsAppCallRequest.FromString(request.body).room_name
    return http(lk.DialWhatsAppCallResponse(room_name=room).SerializeToString())


def is_echoed(stub: lk.ConnectorStub, room: str) -> bool:
    return stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest(room_name=room)).room_name == room


def test_guarantee_6_64_threads(serve: Serve, dial: Dial) -> None:
    start = threading.Barrier(64)

    def slowly(request: Request) -> Any:
        return [lambda _: time.sleep(0.005), echo(request)]

    server = serve(slowly)
    stub = dial(server.url)

    def calls(number: int) -> int:
        start.wait()
        return sum(is_echoed(stub, f"room-{number}-{call}") for call in range(5))

    with ThreadPoolExecutor(64) as pool:
        assert sum(pool.map(calls, range(64))) == 64 * 5
        assert server.connections <= 64
        assert sum(pool.map(calls, range(64))) == 64 * 5
    assert len(server.requests) == 2 * 64 * 5
    assert server.connections <= 64  # each was kept


def test_guarantee_6_a_channel_that_is_closed_meanwhile(serve: Serve, dial: Dial) -> None:
    """The attempt under way ends; another one does not open connections that nobody closes."""
    server = serve([lambda _: closing.close(), CLOSE])
    policy = lk.RetryPolicy(initial_backoff=0, retry_ambiguous=True)
    with lk.Channel(server.url, lk.TokenCredentials("t"), retry=policy) as closing:
        error = refused(lk.ConnectorStub(closing))
    assert "the channel was closed" in str(error)
    assert len(server.requests) == 1


def test_guarantee_6_threads_over_a_users_session(serve: Serve, dial: Dial) -> None:
    """Its pool has connections of another class when the threads come in at once."""
    server = serve(echo)
    start = threading.Barrier(16)
    with requests.Session() as session, ThreadPoolExecutor(16) as pool:
        streams = [session.post(server.url, data=b"", stream=True) for _ in range(8)]
        for stream in streams:
            assert stream.content == b""
        stub = dial(server.url, session=session)

        def calls(number: int) -> int:
            start.wait()
            return sum(is_echoed(stub, f"room-{number}-{call}") for call in range(10))

        assert sum(pool.map(calls, range(16))) == 160


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_guarantee_6_fork(serve: Serve, dial: Dial, session: Optional[requests.Session]) -> None:
    release = threading.Event()

    def held(request: Request) -> Any:
        room = lk.DialWhatsAppCallRequest.FromString(request.body).room_name
        return [lambda _: release.wait(10), echo(request)] if room == "held" else echo(request)

    server = serve(held)
    stub = dial(server.url, session=session)
    assert is_echoed(stub, "before")
    with ThreadPoolExecutor(4) as pool:
        flying = [pool.submit(is_echoed, stub, "held") for _ in range(4)]
        while len(server.requests) < 5:
            time.sleep(0.005)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                fine = all(is_echoed(stub, f"child-{n}") for n in range(3))
                status = 0 if fine else 2
            finally:
                os._exit(status)
        assert all(is_echoed(stub, f"parent-{n}") for n in range(3))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        release.set()
        assert all(future.result(10) for future in flying)
    assert is_echoed(stub, "after")
    rooms: dict[str, set[int]] = {}
    for request in server.requests:
        room = lk.DialWhatsAppCallRequest.FromString(request.body).room_name
        rooms.setdefault(room.partition("-")[0], set()).add(request.connection)
    assert not rooms.pop("child") & set().union(*rooms.values())


@pytest.mark.parametrize("users", [False, True])
def test_guarantee_6_fork_and_sys_exit(serve: Serve, users: bool) -> None:
    """A child that exits must not close the TLS session of the parent's connection."""
    server = serve(OK)
    program = f"""
import os, sys, requests
import livekit_connector_sync as lk
session = requests.Session() if {users} else None
channel = lk.Channel({server.url!r}, lk.ApiKeyCredentials("key", "s" * 32), session=session)
stub = lk.ConnectorStub(channel)
def call():
    return stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest())
call()
child = os.fork()
if child == 0:
    call()
    grandchild = os.fork()
    call()
    if grandchild:
        os.waitpid(grandchild, 0)
    channel.close()
    if session: session.close()
    sys.exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
call()
channel.close()
if session: session.close()
print("done")
"""
    assert run(program) == "done"
    # The child and its own child began with fresh connections, the parent went on with its own.
    assert sorted(request.connection for request in server.requests) == [0, 0, 1, 1, 2]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_guarantee_6_forks_while_threads_call(
    serve: Serve, dial: Dial, session: Optional[requests.Session]
) -> None:
    """A child works even if another thread held a lock at the moment of the fork."""
    server = serve(echo)
    stub = dial(server.url, session=session)
    over = threading.Event()

    def calls(number: int) -> bool:
        count = 0
        while not over.is_set():
            assert is_echoed(stub, f"{number}-{count}")
            count += 1
        return True

    with ThreadPoolExecutor(6) as pool:
        busy = [pool.submit(calls, number) for number in range(6)]
        statuses = []
        for turn in range(15):
            child = os.fork()
            if child == 0:
                status = 1
                try:
                    status = 0 if is_echoed(stub, f"child-{turn}") else 2
                finally:
                    os._exit(status)
            statuses.append(child)
        deadline = time.monotonic() + 10
        while statuses and time.monotonic() < deadline:
            child, status = os.waitpid(statuses[0], os.WNOHANG)
            if child:
                assert os.waitstatus_to_exitcode(status) == 0
                statuses.pop(0)
            else:
                time.sleep(0.01)
        over.set()
        assert all(future.result(10) for future in busy)
    assert not statuses, "a child hangs"


def test_guarantee_6_gevent(serve: Serve) -> None:
    server = serve(lambda _: [lambda _: time.sleep(0.3), OK], reads=True)
    stalled = serve([lambda _: time.sleep(1.5), CLOSE])
    dripping = serve(OK, greeting=[Drip(b"\x16\x03\x03\x40\x00" + bytes(16384))])
    program = f"""
from gevent import monkey
monkey.patch_all()
import sys, time
import gevent
import livekit_connector_sync as lk
assert "requests" not in sys.modules
credentials = lk.ApiKeyCredentials("key", "s" * 32)
channel = lk.Channel({server.url!r}, credentials, retry=None)
stub = lk.ConnectorStub(channel)
def call():
    return stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest()).room_name
call()
started = time.monotonic()
jobs = [gevent.spawn(call) for _ in range(50)]
gevent.joinall(jobs, raise_error=True)
assert {{job.value for job in jobs}} == {{"support-17"}}
took = time.monotonic() - started
assert took < 1.5, took
channel.close()
channel = lk.Channel({stalled.url!r}, credentials, retry=None, timeout=0.3)
stub = lk.ConnectorStub(channel)
errors = []
def fail():
    try:
        call()
    except lk.DeadlineExceeded as error:
        errors.append(error)
started = time.monotonic()
gevent.joinall([gevent.spawn(fail) for _ in range(10)], raise_error=True)
assert time.monotonic() - started < 0.55
assert len(errors) == 10
channel.close()
url = {dripping.url.replace("http", "https")!r}
channel = lk.Channel(url, credentials, retry=None, timeout=0.3)
stub = lk.ConnectorStub(channel)
started = time.monotonic()
fail()
assert time.monotonic() - started < 0.55
assert len(errors) == 11 and not errors[-1].maybe_sent
channel.close()
print("done")
"""
    assert run(program) == "done"
    assert server.connections <= 51


def test_requests_is_imported_at_the_first_call() -> None:
    program = """
import sys
import livekit_connector_sync as lk
lk.LiveKitAPI("http://127.0.0.1:1", "key", "s" * 32).close()
print("requests" in sys.modules)
"""
    assert run(program) == "False"


def test_threads_have_deadlines_of_their_own(serve: Serve, dial: Dial) -> None:
    server = serve(lambda request: [] if b"silent" in request.body else OK)
    stub = dial(server.url)
    silent = lk.DialWhatsAppCallRequest(room_name="silent")
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(refused, stub, silent, 0.3 + number / 20) for number in range(4)]
        for _ in range(20):
            assert stub.DialWhatsAppCall(DIAL).SerializeToString() == BODY
        assert all(isinstance(job.result(), lk.DeadlineExceeded) for job in jobs)
    works(stub)
