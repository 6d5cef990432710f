"""Receive the webhooks of WhatsApp and Twilio calls in FastAPI."""

import os

from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool

import livekit_connector_sync as lk
from livekit_connector_sync.webhooks import WebhookError, meta, twilio, twiml

app, client = FastAPI(), lk.ConnectorClient()  # LIVEKIT_URL, _API_KEY, and _API_SECRET


@app.exception_handler(WebhookError)
def reject(request: Request, error: WebhookError):
    return Response(status_code=200 if error.reason == "malformed_body" else 403)


@app.api_route("/webhooks/meta", methods=["GET", "POST"])
async def receive_meta(request: Request):
    if request.method == "GET":
        challenge = meta.handshake(request.query_params, os.environ["META_VERIFY_TOKEN"])
        return Response(challenge, media_type="text/plain")
    signature = request.headers.get(meta.SIGNATURE_HEADER)
    for event in meta.receive(await request.body(), signature, os.environ["META_APP_SECRET"]):
        if isinstance(event, meta.CallConnect) and event.direction == "outbound":
            await run_in_threadpool(
                client.connect_whatsapp_call, whatsapp_call_id=event.whatsapp_call_id, sdp=event.sdp
            )


@app.post("/webhooks/twilio/voice")
async def receive_twilio(request: Request):
    url = twilio.build_url(os.environ["WEBHOOK_URL"], request.scope)
    signature = request.headers.get(twilio.SIGNATURE_HEADER)
    call = twilio.receive(url, await request.body(), signature, os.environ["TWILIO_AUTH_TOKEN"])
    line = lk.ConnectTwilioCallRequest(room_name=f"call-{call.call_sid}")  # inbound by default
    stream = await run_in_threadpool(client.connect_twilio_call, line, timeout=8)
    return Response(twiml.connect_stream(stream.connect_url), media_type=twiml.CONTENT_TYPE)
