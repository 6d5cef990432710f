"""The harmless part of the contract: how LiveKit Cloud rejects wrong requests.

`make live` sends each request to the project of LIVEKIT_URL and to the emulator, and fails with
both responses if they differ. Nothing here dials, creates a room, or reaches Meta.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest
import requests

import livekit_connector_sync as lk
from livekit_connector_sync.emulator import ConnectorEmulator

SETTINGS = ("LIVEKIT_URL", "LIVEKIT_API_KEY", "LIVEKIT_API_SECRET")
LIVE = [os.environ.get(name, "") for name in SETTINGS]  # read before a fixture hides them
OFFER, ANSWER = ({"type": kind, "sdp": "v=0\r\n"} for kind in ("offer", "answer"))
UNKNOWN = {"whatsapp_call_id": "wacid.of-a-call-that-never-was"}
ENDED = {**UNKNOWN, "disconnect_reason": "USER_INITIATED"}
# With a malformed API version, a request never reaches Meta.
ACCEPT = {
    **UNKNOWN,
    "whatsapp_phone_number_id": "1",
    "whatsapp_api_key": "not-a-key",
    "whatsapp_cloud_api_version": "v23.0",
}


@dataclass(frozen=True)
class Project:
    url: str
    api_key: str
    api_secret: str = field(repr=False)  # pytest prints arguments


@dataclass(frozen=True)
class Probe:
    """A wrong request, with the documented code and a word of its message."""

    code: str
    word: str
    verb: str
    fields: dict[str, object] = field(default_factory=dict)
    secret: str = ""  # instead of the project's
    grant: str = "room_create"
    content_type: str = "application/protobuf"
    body: bytes = b""  # instead of one with the fields

    def send(self, project: Project) -> tuple[str, int, str]:
        """Return the code, the HTTP status, and the message of the response."""
        token = lk.AccessToken(project.api_key, self.secret or project.api_secret)
        bearer = token.with_grants(lk.VideoGrants(**{self.grant: True})).to_jwt()
        url = lk.Channel(project.url, lk.TokenCredentials(bearer)).url
        rpc = f"{self.verb}WhatsAppCall"
        body = self.body or getattr(lk, f"{rpc}Request")(**self.fields).SerializeToString()
        response = requests.post(
            f"{url}/twirp/livekit.Connector/{rpc}",
            body,
            headers={"Authorization": f"Bearer {bearer}", "Content-Type": self.content_type},
            timeout=20,
        )
        is_error = response.headers.get("Content-Type", "").startswith("application/json")
        error = response.json() if is_error else {"code": "", "msg": response.text[:200]}
        return error["code"], response.status_code, error["msg"]


INVALID = "invalid_argument"
PROBES = {
    "another secret": Probe("unauthenticated", "", "Disconnect", ENDED, secret="another-" * 5),
    "no grant": Probe("permission_denied", "", "Disconnect", ENDED, grant="room_list"),
    "Connect of an unknown call": Probe("not_found", "", "Connect", {**UNKNOWN, "sdp": ANSWER}),
    "Disconnect of an unknown call": Probe("not_found", "", "Disconnect", ENDED),
    "Accept of an answer": Probe(INVALID, "sdp", "Accept", {**ACCEPT, "sdp": ANSWER}),
    "Accept with v23.0": Probe(INVALID, "version", "Accept", {**ACCEPT, "sdp": OFFER}),
    "an empty Accept": Probe(INVALID, "", "Accept"),
    "an empty Connect": Probe(INVALID, "", "Connect"),
    "an empty Disconnect": Probe(INVALID, "", "Disconnect"),
    "not protobuf": Probe("malformed", "", "Disconnect", body=b"\xff"),
    "not Twirp": Probe("bad_route", "", "Disconnect", content_type="text/plain", body=b"x"),
    "an unknown RPC": Probe("bad_route", "", "NoSuch", body=b"x"),
}


def find_difference(name: str, project: Project) -> str:
    """Return how a project's response differs from the facts or the emulator's, "" if not."""
    probe = PROBES[name]
    real = code, _, message = probe.send(project)
    with ConnectorEmulator() as emulator:
        ours = probe.send(Project(emulator.url, emulator.api_key, emulator.api_secret))
    if real[:2] == ours[:2] and code == probe.code and probe.word in message.lower():
        return ""
    return f"{name}: LiveKit sent {real}, the emulator {ours}; documented: {probe.code}"


@pytest.mark.live
@pytest.mark.skipif(not all(LIVE), reason=f"set {', '.join(SETTINGS)}")
@pytest.mark.parametrize("name", PROBES)
def test_the_emulator_is_like_livekit_cloud(name: str) -> None:
    found = find_difference(name, Project(*LIVE))
    if found:
        pytest.fail(found, pytrace=False)


def test_the_emulator_responds_as_documented_and_nothing_dials() -> None:
    with ConnectorEmulator() as emulator:
        project = Project(emulator.url.replace("http", "ws"), emulator.api_key, emulator.api_secret)
        assert not "".join(find_difference(name, project) for name in PROBES)
        called = {request.method for request in emulator.requests}
    assert not [method for method in called if "Dial" in method or "Twilio" in method]


def test_a_difference_is_reported() -> None:
    with ConnectorEmulator() as emulator:
        project = Project(emulator.url, emulator.api_key, "not-the-secret-of-this-emulator!")
        found = find_difference("an empty Connect", project)
    assert "LiveKit sent ('unauthenticated', 401" in found
    assert "the emulator ('invalid_argument', 400" in found
