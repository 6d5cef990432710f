"""Mistakes that mypy and pyright must find: on each line marked so, and on no other."""

from __future__ import annotations

import livekit_connector_sync as lk

client = lk.ConnectorClient("wss://x", "key", "secret")
channel = lk.Channel("https://x", lk.ApiKeyCredentials("key", "secret"))

client.dial_whatsapp_call(whatsapp_phone_number_id=1)  # error: wrong type
client.dial_whatsapp_call(room="r")  # error: no such field
client.dial_whatsapp_call(lk.AcceptWhatsAppCallRequest())  # error: another RPC's request
client.dial_whatsapp_call(ringing_timeout="30s")  # error: not a duration
client.dial_whatsapp_call(agents=["agent"])  # error: not a message
client.dial_whatsapp_call(timeout="5")  # error: not seconds
client.dial_whatsapp_call(None, "1")  # error: fields are keywords
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
