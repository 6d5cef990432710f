"""Receive the webhooks of WhatsApp and Twilio calls in Flask."""

import os

from flask import Flask, Response, request

import livekit_connector_sync as lk
from livekit_connector_sync.webhooks import WebhookError, meta, twilio, twiml

app = Flask(__name__)
client = lk.ConnectorClient()  # LIVEKIT_URL, LIVEKIT_API_KEY, and LIVEKIT_API_SECRET


@app.errorhandler(WebhookError)
def reject(error: WebhookError):
    app.logger.warning("webhook rejected: %s", error)
    return "", 200 if error.reason == "malformed_body" else 403


@app.route("/webhooks/meta", methods=["GET", "POST"])
def receive_meta():
    if request.method == "GET":
        challenge = meta.handshake(request.args, os.environ["META_VERIFY_TOKEN"])
        return Response(challenge, mimetype="text/plain")
    signature = request.headers.get(meta.SIGNATURE_HEADER)
    for event in meta.receive(request.get_data(), signature, os.environ["META_APP_SECRET"]):
        if isinstance(event, meta.CallConnect) and event.direction == "outbound":
            client.connect_whatsapp_call(whatsapp_call_id=event.whatsapp_call_id, sdp=event.sdp)
    return ""


@app.post("/webhooks/twilio/voice")
def receive_twilio():
    url = twilio.build_url(os.environ["WEBHOOK_URL"], request.environ)
    signature = request.headers.get(twilio.SIGNATURE_HEADER)
    call = twilio.receive(url, request.get_data(), signature, os.environ["TWILIO_AUTH_TOKEN"])
    line = lk.ConnectTwilioCallRequest(room_name=f"call-{call.call_sid}")  # inbound by default
    stream = client.connect_twilio_call(line, timeout=8)
    return Response(twiml.connect_stream(stream.connect_url), content_type=twiml.CONTENT_TYPE)
