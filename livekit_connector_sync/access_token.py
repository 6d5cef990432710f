"""Create, sign, and verify LiveKit access tokens.

The names and semantics are those of the official Python SDK.
Source: https://docs.livekit.io/home/get-started/authentication/
"""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Optional, TypeVar

from ._runtime.credentials import check_key
from ._runtime.jws import ALGORITHM, sign, signer
from ._runtime.redaction import HoldsSecret, hide_locals

__all__ = [
    "AccessToken",
    "AgentGrants",
    "Claims",
    "SIPGrants",
    "TokenVerifier",
    "VideoGrants",
]

# Of the grants that are not a bool.
_GRANT_TYPES: dict[str, tuple[type, str]] = {
    "room": (str, "a str"),
    "destination_room": (str, "a str"),
    "can_publish_sources": (list, 'a list, such as ["camera", "microphone"]'),
}

GrantsType = TypeVar("GrantsType")
Value = TypeVar("Value")


@dataclass
class VideoGrants:
    """Grants for rooms; None leaves a grant out of the token."""

    room_create: Optional[bool] = None
    """Create and delete rooms, and place Connector calls."""
    room_list: Optional[bool] = None
    """List rooms."""
    room_record: Optional[bool] = None
    """Start and stop egress."""
    room_admin: Optional[bool] = None
    """Manage the room named in `room`."""
    room_join: Optional[bool] = None
    """Join the room named in `room`."""
    room: str = ""
    """The room that `room_admin` and `room_join` apply to."""
    destination_room: Optional[str] = None
    """The room that participants may be forwarded or moved to."""
    can_publish: bool = True
    """Publish tracks."""
    can_subscribe: bool = True
    """Subscribe to tracks."""
    can_publish_data: bool = True
    """Publish data messages."""
    can_publish_sources: Optional[list[str]] = None
    """Publish tracks of these sources only."""
    can_update_own_metadata: Optional[bool] = None
    """Change your own metadata."""
    ingress_admin: Optional[bool] = None
    """Manage ingresses."""
    hidden: Optional[bool] = None
    """Stay invisible to other participants."""
    recorder: Optional[bool] = None
    """Appear as a recorder (deprecated by LiveKit)."""
    agent: Optional[bool] = None
    """Register as an agent worker."""
    can_manage_agent_session: Optional[bool] = None
    """Manage an agent's session."""
    can_subscribe_metrics: Optional[bool] = None
    """Subscribe to metrics."""


@dataclass
class SIPGrants:
    """Grants for SIP."""

    admin: bool = False
    """Manage trunks and dispatch rules."""
    call: bool = False
    """Place and transfer calls."""


@dataclass
class AgentGrants:
    """Grants for hosted agents on LiveKit Cloud."""

    admin: bool = False
    """Create, update, and delete agents."""
    simulation_admin: bool = False
    """Manage simulations."""
    database_admin: bool = False
    """Read and write the agents' databases."""
    dispatch_admin: bool = False
    """Manage the dispatch queue."""


@dataclass
class Claims:
    """The claims of a token."""

    identity: str = ""
    """The participant's identity: the token's subject (`sub`)."""
    name: str = ""
    """The participant's display name."""
    kind: str = ""
    """"standard", "agent", "sip", ..."""
    metadata: str = ""
    """The participant's metadata."""
    video: Optional[VideoGrants] = None
    """Grants for rooms."""
    sip: Optional[SIPGrants] = None
    """Grants for SIP."""
    agent: Optional[AgentGrants] = None
    """Grants for hosted agents."""
    attributes: Optional[dict[str, str]] = None
    """The participant's attributes."""
    sha256: Optional[str] = None
    """The SHA-256 of a webhook's body in base64."""
    room_preset: Optional[str] = None
    """The name of a room configuration of the project."""
    raw: Mapping[str, Any] = field(default_factory=dict)
    """All claims of a verified token. An `AccessToken` doesn't sign it."""

    def asdict(self) -> dict[str, Any]:
        """Return the claims by their names in a token, without the empty ones."""
        claims = dataclasses.asdict(
            dataclasses.replace(self, identity="", raw={}),
            dict_factory=lambda items: {
                _to_camel_case(name): value for name, value in items if value not in (None, "")
            },
        )
        del claims["raw"]
        return claims


class AccessToken(HoldsSecret):
    """Builds and signs an access token.

    Args:
        api_key: the project's API key; LIVEKIT_API_KEY by default.
        api_secret: the project's API secret; LIVEKIT_API_SECRET by default, even if you pass
            `api_key`, as in the official SDK.

    Raises:
        ValueError: the key or the secret is missing or malformed.
    """

    @hide_locals
    def __init__(self, api_key: Optional[str] = None, api_secret: Optional[str] = None) -> None:
        self.api_key = _find_key("api_key", api_key)
        self.api_secret = _find_key("api_secret", api_secret)
        self.claims = Claims()
        self.ttl = timedelta(hours=6)

    def __repr__(self) -> str:
        return f"AccessToken(api_key={self.api_key!r}, claims={self.claims!r})"

    def with_ttl(self, ttl: timedelta) -> AccessToken:
        """Set the token's lifetime; 6 hours by default."""
        self.ttl = _check_type("ttl", ttl, timedelta, "a timedelta, such as timedelta(minutes=10)")
        return self

    def with_identity(self, identity: str) -> AccessToken:
        """Set the participant's identity."""
        self.claims.identity = _check_type("identity", identity, str)
        return self

    def with_name(self, name: str) -> AccessToken:
        """Set the participant's display name."""
        self.claims.name = _check_type("name", name, str)
        return self

    def with_kind(self, kind: str) -> AccessToken:
        """Set the participant's kind."""
        self.claims.kind = _check_type("kind", kind, str)
        return self

    def with_metadata(self, metadata: str) -> AccessToken:
        """Set the participant's metadata."""
        self.claims.metadata = _check_type("metadata", metadata, str)
        return self

    def with_attributes(self, attributes: dict[str, str]) -> AccessToken:
        """Set the participant's attributes."""
        _check_type("attributes", attributes, Mapping, "a dict")
        for text in (*attributes, *attributes.values()):
            _check_type("each name and value of attributes", text, str)
        self.claims.attributes = dict(attributes)
        return self

    def with_grants(self, grants: VideoGrants) -> AccessToken:
        """Set the grants for rooms."""
        example = 'VideoGrants, such as VideoGrants(room_join=True, room="my-room")'
        self.claims.video = _check_type("grants", grants, VideoGrants, example)
        for name, value in vars(grants).items():
            wanted, words = _GRANT_TYPES.get(name, (bool, "a bool"))
            if value is not None:
                _check_type(f"{name} of VideoGrants", value, wanted, words)
        return self

    def with_sip_grants(self, grants: SIPGrants) -> AccessToken:
        """Set the grants for SIP."""
        example = "SIPGrants, such as SIPGrants(call=True)"
        self.claims.sip = _check_type("grants", grants, SIPGrants, example)
        return self

    def with_agent_grants(self, grants: AgentGrants) -> AccessToken:
        """Set the grants for hosted agents."""
        example = "AgentGrants, such as AgentGrants(admin=True)"
        self.claims.agent = _check_type("grants", grants, AgentGrants, example)
        return self

    def with_sha256(self, sha256: str) -> AccessToken:
        """Set the SHA-256 of a body, in base64."""
        self.claims.sha256 = _check_type("sha256", sha256, str)
        return self

    def with_room_preset(self, preset: str) -> AccessToken:
        """Set the name of a room configuration of the project."""
        self.claims.room_preset = _check_type("preset", preset, str)
        return self

    @hide_locals
    def to_jwt(self) -> str:
        """Return the signed token.

        Raises:
            ValueError: `room_join` is granted without an identity or a room.
        """
        video = self.claims.video
        if video and video.room_join and not (self.claims.identity and video.room):
            raise ValueError("room_join needs an identity (with_identity) and VideoGrants.room")
        now = int(time.time())
        claims = {
            **self.claims.asdict(),
            "sub": self.claims.identity,
            "iss": self.api_key,
            "nbf": now,
            "exp": now + int(self.ttl.total_seconds()),
        }
        return sign(claims, self.api_secret)


class TokenVerifier(HoldsSecret):
    """Verifies access tokens. A token must use HS256, name the API key as issuer, and expire.

    Args:
        api_key: the only accepted issuer; LIVEKIT_API_KEY by default.
        api_secret: the secret that signs the tokens; LIVEKIT_API_SECRET by default.
        leeway: how much clocks may differ; one minute by default.

    Raises:
        ValueError: the key or the secret is missing or malformed.
        TypeError: the leeway is not a timedelta.
    """

    @hide_locals
    def __init__(
        self,
        api_key: Optional[str] = None,
        api_secret: Optional[str] = None,
        *,
        leeway: timedelta = timedelta(minutes=1),
    ) -> None:
        self.api_key = _find_key("api_key", api_key)
        self._api_secret = _find_key("api_secret", api_secret)
        example = "a timedelta, such as timedelta(minutes=1)"
        self._leeway = _check_type("leeway", leeway, timedelta, example)

    @hide_locals
    def verify(self, token: str) -> Claims:
        """Verify a token and return its claims.

        Args:
            token: the JWT, without "Bearer".

        Raises:
            jwt.InvalidTokenError: the token is malformed, has expired, is not valid yet, has
                another issuer, or is not signed with the secret.
        """
        verifier = signer()
        import jwt  # which the line above has imported safely

        if not isinstance(token, (str, bytes)):
            raise jwt.DecodeError(f"token must be a str, not {type(token).__name__}")
        if token[:7].lower() in ("bearer ", b"bearer "):
            raise jwt.DecodeError('token begins with "Bearer ": pass what follows it')
        verifier.decode(token, self._api_secret, algorithms=[ALGORITHM])
        # The line above verified the signature, without a warning about short secrets.
        raw = jwt.decode(
            token,
            issuer=self.api_key,
            leeway=self._leeway,
            options={
                "verify_signature": False,
                "verify_exp": True,
                "verify_nbf": True,
                "verify_iss": True,
                "require": ["exp", "iss"],
            },
        )
        return Claims(
            identity=str(raw.get("sub", "")),
            name=str(raw.get("name", "")),
            kind=str(raw.get("kind", "")),
            metadata=str(raw.get("metadata", "")),
            video=_read_grants(VideoGrants, raw.get("video")),
            sip=_read_grants(SIPGrants, raw.get("sip")),
            agent=_read_grants(AgentGrants, raw.get("agent")),
            attributes=raw.get("attributes"),
            sha256=raw.get("sha256"),
            room_preset=raw.get("roomPreset"),
            raw=raw,
        )


def _check_type(name: str, value: Value, wanted: type, description: str = "a str") -> Value:
    """Return the argument; raise TypeError if it has the wrong type.

    Classes of the same name pass, so that the official SDK's grants work too.
    """
    if not isinstance(value, wanted) and type(value).__name__ != wanted.__name__:
        raise TypeError(f"{name} must be {description}, not {type(value).__name__}")
    return value


def _read_grants(grants_type: type[GrantsType], claims: Any) -> Optional[GrantsType]:
    """Return the known grants of a section of the claims; `Claims.raw` keeps unknown ones."""
    if not isinstance(claims, Mapping):
        return None
    names = [f.name for f in dataclasses.fields(grants_type)]  # type: ignore[arg-type]
    keys = [(name, key) for name in names for key in (name, _to_camel_case(name))]
    return grants_type(**{name: claims[key] for name, key in keys if key in claims})


def _to_camel_case(name: str) -> str:
    return re.sub("_([a-z])", lambda match: match[1].upper(), name)


def _find_key(name: str, value: Optional[str]) -> str:
    """Return the key or the secret, from the environment by default."""
    if not value:
        name = f"LIVEKIT_{name.upper()}"
        value = os.environ.get(name, "")
    check_key(name, value)
    return value
