"""A fork, a signal, or a lack of file descriptors, at any moment of a call."""

from __future__ import annotations

import gc
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest
import requests
from helpers.scripted import CLOSE, Request, ScriptedServer, http
from requests.adapters import HTTPAdapter

import livekit_connector_sync as lk

from .calls import DIAL, OK, run, works

Serve = Callable[..., ScriptedServer]
Dial = Callable[..., lk.ConnectorStub]


class SoftTimeLimit(Exception):
    """An exception that a signal raises, like Celery's soft time limit."""


@pytest.fixture
def interrupt_after() -> Iterator[Callable[[float], None]]:
    """Raise SoftTimeLimit in the main thread after some seconds; 0 cancels it."""

    def on_alarm(*_: object) -> None:
        raise SoftTimeLimit

    before = signal.signal(signal.SIGALRM, on_alarm)
    try:
        yield lambda seconds: signal.setitimer(signal.ITIMER_REAL, seconds) and None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Subclassed(HTTPAdapter):
    """An adapter of the caller's own class, which runs in a thread."""


def unsteadily(request: Request) -> Any:
    """Respond with the requested room, in one of several ways."""
    room = lk.DialWhatsAppCallRequest.FromString(request.body).room_name
    response = http(lk.DialWhatsAppCallResponse(room_name=room).SerializeToString())
    pause = [lambda _: time.sleep(random.random() * 0.003)]
    return random.choice(
        [
            *[[response]] * 4,
            [*pause, response],
            [response[:20], *pause, response[20:]],
            [response[: random.randrange(len(response))], CLOSE],
            [CLOSE],
        ]
    )


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", ["own", "users", "subclassed"])
def test_guarantee_2_exceptions_from_signals_at_any_moment(
    serve: Serve, dial: Dial, interrupt_after: Callable[[float], None], kind: str
) -> None:
    """No later call hangs, gets another call's response, or is placed twice."""
    server = serve(unsteadily)
    interrupted, calls = 0, 0
    end = time.monotonic() + 20
    with requests.Session() as session:
        session.cookies.set("a", "b")
        if kind == "subclassed":
            session.mount("http://", Subclassed())
        stub = dial(server.url, session=None if kind == "own" else session, timeout=3.0)
        while interrupted < 200 and time.monotonic() < end:
            calls += 1
            request = lk.DialWhatsAppCallRequest(room_name=f"room-{calls}")
            started = time.monotonic()
            try:
                try:
                    interrupt_after(random.random() * random.choice([0.001, 0.002, 0.005]) + 1e-6)
                    response = stub.DialWhatsAppCall(request)
                finally:
                    interrupt_after(0)
                assert response.room_name == request.room_name
            except SoftTimeLimit:
                interrupted += 1
            except lk.Unavailable:
                pass  # the server closed the connection
            assert time.monotonic() - started < 2.5  # no call hangs, not even to its deadline
        server.script[:] = [OK]
        works(stub)
        with_threads = threading.Thread(target=works, args=(stub,))
        with_threads.start()
        with_threads.join(5)
        assert not with_threads.is_alive()  # a lock that the main thread may enter again
    gc.collect()  # the connections that an interruption left in a frame
    assert interrupted >= 100
    rooms = [lk.DialWhatsAppCallRequest.FromString(r.body).room_name for r in server.requests]
    placed = [room for room in rooms if room.startswith("room-")]
    assert len(placed) == len(set(placed))


def test_guarantee_1_an_abandoned_thread_sends_nothing(
    serve: Serve, dial: Dial, interrupt_after: Callable[[float], None]
) -> None:
    """The caller was interrupted before the deadline, and may have placed the call again."""
    passed = threading.Event()

    class Slow(HTTPAdapter):
        def add_headers(self, *args: Any, **options: Any) -> None:
            time.sleep(0.4)
            passed.set()

    server = serve(OK)
    with requests.Session() as session:
        session.mount("http://", Slow())
        stub = dial(server.url, session=session, timeout=30.0)
        interrupt_after(0.1)
        with pytest.raises(SoftTimeLimit):
            stub.DialWhatsAppCall(DIAL)
        assert passed.wait(10)
        time.sleep(0.2)
    assert not server.requests


FORK = """
import os, sys, threading, time
import livekit_connector_sync as lk
client = lk.ConnectorClient({url!r}, "key", "s" * 32, timeout=5, retry=None)
def call():
    try:
        client.disconnect_whatsapp_call(whatsapp_call_id="x", whatsapp_api_key="k")
    except lk.NotFound:
        return 7
thread = threading.Thread(target=call)
thread.start()
{until}
child = os.fork()
if child == 0:
    os._exit(call() or 1)
deadline = time.monotonic() + 8
while not (done := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < deadline:
    time.sleep(0.01)
if not done[0]:
    os.kill(child, 9)
    os.waitpid(child, 0)
thread.join()
print(os.waitstatus_to_exitcode(done[1]) if done[0] else "the child hangs")
"""


@pytest.mark.parametrize(
    "until",
    [
        "time.sleep(0.05)",
        # Right within an import that the first call does.
        "while 'jwt.api_jws' not in sys.modules: time.sleep(0.0002)",
        "while 'urllib3.exceptions' not in sys.modules: time.sleep(0.0002)",
        "while 'requests.models' not in sys.modules: time.sleep(0.0002)",
    ],
    ids=["50 ms", "jwt", "urllib3", "requests"],
)
def test_guarantee_6_a_fork_within_the_first_call(serve: Serve, until: str) -> None:
    server = serve(http(b'{"code":"not_found"}', "404 X"))
    program = FORK.format(url=server.url, until=until)
    assert run(f"import warnings; warnings.simplefilter('ignore')\n{program}") == "7"


@pytest.mark.parametrize(
    "credentials", ['ApiKeyCredentials("key", "s" * 32)', 'TokenCredentials("token")']
)
def test_guarantee_3_no_file_descriptors_for_the_first_call(serve: Serve, credentials: str) -> None:
    """Neither to import PyJWT or requests nor to connect; a later call works."""
    server = serve(OK)
    program = f"""
import os, resource
import livekit_connector_sync as lk
channel = lk.Channel({server.url!r}, lk.{credentials}, retry=None)
stub = lk.ConnectorStub(channel)
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
free = os.dup(0)
os.close(free)
for left in range(3):
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + left, hard))
    try:
        stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest())
    except lk.Unavailable as error:
        assert not error.maybe_sent and error.__context__ is None, repr(error)
        print("no file descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(stub.DialWhatsAppCall(lk.DialWhatsAppCallRequest()).room_name)
channel.close()
"""
    lines = run(program).splitlines()
    assert lines[0] == "no file descriptors"
    assert lines[-1] == "support-17"


def test_guarantee_3_a_foreign_urllib3_is_rejected_at_construction(tmp_path: Path) -> None:
    """urllib3-future has a folder that urllib3 does not have."""
    (tmp_path / "urllib3" / "backend").mkdir(parents=True)
    (tmp_path / "urllib3" / "__init__.py").write_text("raise AssertionError('it is imported')")
    program = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import livekit_connector_sync as lk
try:
    lk.ConnectorClient("https://x.example", "key", "s" * 32)
except ValueError as error:
    print(error)
"""
    assert "urllib3-future" in run(program)


@pytest.mark.parametrize("users", [False, True])
def test_a_connection_that_was_idle_for_long_is_not_used(
    serve: Serve, dial: Dial, monkeypatch: pytest.MonkeyPatch, users: bool
) -> None:
    """A NAT may have dropped the connection, so that the request would be lost silently."""
    server = serve(OK)
    with requests.Session() as session:
        stub = dial(server.url, session=session if users else None)
        works(stub)
        works(stub)
        assert server.connections == 1
        clock = time.monotonic
        monkeypatch.setattr(time, "monotonic", lambda: clock() + 16)
        works(stub)
    assert server.connections == 2
