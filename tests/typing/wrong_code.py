"""Mistakes that mypy and pyright must find: on each marked line, and on no other line."""

from __future__ import annotations

import livekit_connector_sync as lk

client = lk.ConnectorClient("wss://x", "key", "secret")
channel = lk.Channel("https://x", lk.ApiKeyCredentials("key", "secret"))

# A correct call, in which each line below has one mistake.
client.dial_whatsapp_call(
    whatsapp_phone_number_id="1",
    whatsapp_to_phone_number="15550100",
    whatsapp_api_key="k",
    whatsapp_cloud_api_version="23.0",
)
session = lk.SessionDescription()
inbound = lk.TwilioCallDirection.TWILIO_CALL_DIRECTION_INBOUND
hung_up = lk.DisconnectReason.USER_INITIATED
request = lk.ConnectWhatsAppCallRequest()

client.connect_whatsapp_call(whatsapp_call_id=1, sdp=session)  # error: wrong type
client.connect_whatsapp_call(whatsapp_call_id=None, sdp=session)  # error: required
client.connect_whatsapp_call(whatsapp_call_id="c")  # error: no sdp
client.connect_whatsapp_call()  # error: no field at all
client.connect_whatsapp_call(room="r", whatsapp_call_id="c", sdp=session)  # error: no such field
client.connect_whatsapp_call(lk.AcceptWhatsAppCallRequest())  # error: another RPC's request
client.connect_whatsapp_call(request, sdp=session)  # error: a request and a field
client.connect_whatsapp_call(request, whatsapp_call_id="c", sdp=session)  # error: both
client.connect_whatsapp_call(None, "c")  # error: fields are keywords
client.connect_whatsapp_call(whatsapp_call_id="c", sdp={"typ": "answer"})  # error: no such key
client.connect_whatsapp_call(whatsapp_call_id="c", sdp={"sdp": 1})  # error: wrong type in a dict
client.connect_whatsapp_call(whatsapp_call_id="c", sdp="v=0")  # error: not a message
client.connect_whatsapp_call(request, timeout="5")  # error: not seconds
client.connect_whatsapp_call(request, deadline=5)  # error: no such option
client.connect_twilio_call(room_name="r", twilio_call_direction=inbound, agents=[""])  # error: str
client.connect_twilio_call(room_name="r", twilio_call_direction=0, agents=[{"n": 1}])  # error: key
client.connect_twilio_call(room_name="r", twilio_call_direction=hung_up)  # error: another enum's
client.connect_twilio_call(room_name="r", twilio_call_direction=2)  # error: no such number
client.connect_twilio_call(twilio_call_direction=inbound)  # error: no room
client.disconnect_whatsapp_call(whatsapp_call_id="c", disconnect_reason=inbound)  # error: another
client.with_call.connect_whatsapp_call(request).code  # error: a pair  # noqa: B018
client.with_call.connect_whatsapp_call(whatsapp_call_id="c")  # error: no sdp
client.with_call.hang_up("c")  # error: no such method
client.with_options(timeout="5")  # error: not seconds
client.with_options(failover=False)  # error: an option of the channel
agent: lk.RoomAgentDispatchDict = {"name": "a"}  # error: no such key
lk.ConnectorStub("https://x")  # error: not a channel
client.connect_twilio_call(room_name="r")  # error: no direction
client.connect_twilio_call(room_name="r", twilio_call_direction="OUTBOUND")  # error: no such value
client.disconnect_whatsapp_call(whatsapp_call_id="c").room_name  # error: no such field  # noqa: B018
client.hang_up("c")  # error: no such method
lk.DialWhatsAppCallRequest(room_name=1)  # error: wrong type
lk.DialWhatsAppCallRequest(room="r")  # error: no such field
lk.ConnectorStub(channel).DialWhatsAppCall(lk.ConnectTwilioCallRequest())  # error: wrong request
lk.ConnectorStub(channel).DialWhatsappCall  # error: no such RPC  # noqa: B018
lk.ConnectorClient(key="key")  # error: no such option
lk.RetryPolicy(attempts=3)  # error: no such option
