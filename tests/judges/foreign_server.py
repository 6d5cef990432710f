"""A Connector on PyPI's `twirp` and livekit-protocol: none of our code, in its own process.

Prints its port. If the room of a request is "fail:CODE", it returns that Twirp error.
"""

from __future__ import annotations

import sys

import uvicorn
from google.protobuf import symbol_database
from livekit.protocol import connector_twilio, connector_whatsapp

# twirp 0.0.7 looks this name up when it is imported, for its client; protobuf has dropped it.
if not hasattr(symbol_database.SymbolDatabase, "GetSymbol"):
    symbol_database.SymbolDatabase.GetSymbol = None
from twirp.asgi import TwirpASGIApp
from twirp.base import Endpoint
from twirp.exceptions import TwirpServerException
from twirp.server import TwirpServer


def respond_with(response_type):
    def handle(context, request):
        room = getattr(request, "room_name", "")
        if room.startswith("fail:"):
            raise TwirpServerException(
                code=room.partition(":")[2], message="as asked", meta={"argument": "room_name"}
            )
        response = response_type()
        for field in response.DESCRIPTOR.fields:
            setattr(response, field.name, getattr(request, field.name, "") or f"a {field.name}")
        return response

    return handle


class Connector(TwirpServer):
    def __init__(self) -> None:
        super().__init__(service=None)
        self._prefix = "/twirp/livekit.Connector"
        self._endpoints = {
            name: Endpoint(
                "Connector",
                name,
                respond_with(getattr(messages, f"{name}Response")),
                getattr(messages, f"{name}Request"),
                getattr(messages, f"{name}Response"),
            )
            for messages, names in (
                (
                    connector_whatsapp,
                    (
                        "DialWhatsAppCall",
                        "AcceptWhatsAppCall",
                        "ConnectWhatsAppCall",
                        "DisconnectWhatsAppCall",
                    ),
                ),
                (connector_twilio, ("ConnectTwilioCall",)),
            )
            for name in names
        }


class Server(uvicorn.Server):
    async def startup(self, sockets=None) -> None:
        await super().startup(sockets)
        print(self.servers[0].sockets[0].getsockname()[1], flush=True)


if __name__ == "__main__":
    app = TwirpASGIApp()
    app.add_service(Connector())
    Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off")).run()
    sys.exit(0)
