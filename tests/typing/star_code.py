"""`import *` brings every public name: checked by mypy and pyright, never run."""

from livekit_connector_sync import *  # noqa: F403

client: ConnectorClient = ConnectorClient()  # noqa: F405
agent: RoomAgentDispatchDict = {"agent_name": "a"}  # noqa: F405
error: type[TwirpError] = NotFound  # noqa: F405
answered: ConnectWhatsAppCallResponse = client.connect_whatsapp_call(  # noqa: F405
    ConnectWhatsAppCallRequest(whatsapp_call_id="c")  # noqa: F405
)
reason: DisconnectReason = DisconnectReason.USER_INITIATED  # noqa: F405
