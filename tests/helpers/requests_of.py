"""A valid request and a response for each RPC."""

from __future__ import annotations

import livekit_connector_sync as lk

SDP = lk.SessionDescription(type="offer", sdp="v=0 the-sdp")

DIAL = lk.DialWhatsAppCallRequest(
    whatsapp_phone_number_id="1234567890",
    whatsapp_to_phone_number="15551234567",
    whatsapp_api_key="EAAG-the-key",
    whatsapp_cloud_api_version="23.0",
    room_name="r",
)
ACCEPT = lk.AcceptWhatsAppCallRequest(
    whatsapp_phone_number_id="1234567890",
    whatsapp_api_key="EAAG-the-key",
    whatsapp_cloud_api_version="23.0",
    whatsapp_call_id="wacid.1",
    sdp=SDP,
    room_name="r",
)
CONNECT = lk.ConnectWhatsAppCallRequest(whatsapp_call_id="wacid.1", sdp=SDP)
DISCONNECT = lk.DisconnectWhatsAppCallRequest(
    whatsapp_call_id="wacid.1", whatsapp_api_key="EAAG-the-key"
)
TWILIO = lk.ConnectTwilioCallRequest(room_name="r")

REQUESTS = {
    "DialWhatsAppCall": DIAL,
    "AcceptWhatsAppCall": ACCEPT,
    "ConnectWhatsAppCall": CONNECT,
    "DisconnectWhatsAppCall": DISCONNECT,
    "ConnectTwilioCall": TWILIO,
}
RESPONSES = {
    "DialWhatsAppCall": lk.DialWhatsAppCallResponse(whatsapp_call_id="wacid.1", room_name="r"),
    "AcceptWhatsAppCall": lk.AcceptWhatsAppCallResponse(room_name="r"),
    "ConnectWhatsAppCall": lk.ConnectWhatsAppCallResponse(),
    "DisconnectWhatsAppCall": lk.DisconnectWhatsAppCallResponse(),
    "ConnectTwilioCall": lk.ConnectTwilioCallResponse(connect_url="wss://x"),
}
PLACING = ("DialWhatsAppCall", "ConnectTwilioCall")
REPEATABLE = ("AcceptWhatsAppCall", "ConnectWhatsAppCall", "DisconnectWhatsAppCall")
