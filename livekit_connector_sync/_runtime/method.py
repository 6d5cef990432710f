"""What the channel knows of an RPC: the facts that the generated code hands to the runtime.

A MethodInfo is written by `codegen/` from the protos and the overlay, and read by every layer
that decides something about a call: which grant to sign, what may be repeated, how long to wait.
It is data: nothing here does I/O or imports another module of the package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Optional, TypeVar

from google.protobuf.message import Message

__all__ = ["Grant", "MethodInfo", "Request", "Response"]

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Grant:
    """One claim that the token of an RPC must carry.

    Args:
        name: the claim as LiveKit's tokens spell it, such as "roomCreate".
        section: the part of the token that holds it: "video", "sip" or "agent".
        field: where the claim is a string taken from the request ("room"), the field that holds it;
            empty where the claim is simply True.
    """

    name: str
    section: str = "video"
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
        safe_to_repeat: True if a repeat after an ambiguous failure cannot place a call twice.
        repeat_done: codes that mean "done already" when they answer our own repeat.
        repeat_echo: fields of the request that the response of such a repeat is made of; if one
            of them is empty, the error surfaces instead.
        required: fields of the request that must not be empty.
        required_unless: (field, enum field, constant): the field must not be empty unless the
            enum field holds that constant.
        no_default: fields that a caller who uses keywords must pass, since their default would
            silently mean something.
        formats: (field, format): the field's text must have this shape where it is not empty;
            the formats are those of `validation.FORMATS`.
        wait_field: the bool field that makes the service wait for an answer before it replies.
        wait_timeout_field: the Duration field that bounds this wait.
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
        """Return the response of a call that was made before, None if an error does not say so.

        Args:
            request: the call's request.
            code: the code that answered its repeat.
        """
        if code not in self.repeat_done:
            return None
        echo = {name: getattr(request, name) for name in self.repeat_echo}
        return self.response_type(**echo) if all(echo.values()) else None
