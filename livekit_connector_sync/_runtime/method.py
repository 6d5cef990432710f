"""The facts about an RPC that generated code passes to the runtime.

`codegen/` writes a MethodInfo from the protos and the overlay. It says which grants a token needs,
whether a retry is safe, and how long a call may take.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, Optional, TypeVar

from google.protobuf.message import Message

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Grant:
    """A claim that the token of an RPC must carry.

    Args:
        name: the claim as LiveKit's tokens spell it, such as "roomCreate".
        section: the part of the token that holds it: "video", "sip" or "agent".
        field: the request's field that holds the value of the claim, such as "room"; empty if the
            value is True.
    """

    name: str
    section: Literal["video", "sip", "agent"] = "video"
    field: str = ""


@dataclass(frozen=True)
class MethodInfo(Generic[Request, Response]):
    """One unary RPC.

    Args:
        service: the service's name on the wire, "livekit.Connector".
        name: the RPC's name on the wire, "DialWhatsAppCall".
        request_type: the class of the request message.
        response_type: the class of the response message.
        grants: the claims that the call's token must carry.
        safe_to_repeat: True if a retry after an ambiguous failure cannot place a call twice.
        repeat_done: codes that mean "already done" in the response to a retry.
        repeat_echo: fields of the request to copy into the response of such a retry; if one of
            them is empty, the error is raised instead.
        required: fields of the request that must not be empty.
        required_unless: (field, enum field, constant): the field must not be empty unless the
            enum field holds that constant.
        no_default: fields that a caller must pass as keywords, because zero has a meaning.
        formats: (field, format): the format that the field's text must have if it is not empty,
            a key of `validation.FORMATS`.
        wait_field: the bool field that makes the service respond only after somebody picks up.
        wait_timeout_field: the Duration field that limits this wait.
    """

    service: str
    name: str
    request_type: type[Request]
    response_type: type[Response]
    grants: tuple[Grant, ...] = ()
    safe_to_repeat: bool = False
    repeat_done: tuple[str, ...] = ()
    repeat_echo: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    required_unless: tuple[tuple[str, str, str], ...] = ()
    no_default: tuple[str, ...] = ()
    formats: tuple[tuple[str, str], ...] = ()
    wait_field: Optional[str] = None
    wait_timeout_field: Optional[str] = None

    @property
    def full_name(self) -> str:
        """The RPC as gRPC and OpenTelemetry write it: "livekit.Connector/DialWhatsAppCall"."""
        return f"{self.service}/{self.name}"

    def response_of_done(self, request: Request, code: str) -> Optional[Response]:
        """Return the response if the error code of a retry means "already done", else None."""
        if code not in self.repeat_done:
            return None
        echo = {name: getattr(request, name) for name in self.repeat_echo}
        return self.response_type(**echo) if all(echo.values()) else None
