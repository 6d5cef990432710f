"""The Celery app of the tests' workers; its configuration comes from the environment."""

from __future__ import annotations

import json
import os

from celery import Celery

from livekit_connector_sync.contrib.celery import get_client

app = Celery("calls")
app.conf.update(json.loads(os.environ["CELERY_CONF"]))
app.conf.imports = ["livekit_connector_sync.contrib.celery"]
app.set_current()

if os.environ.get("CALL_IN_PARENT"):
    # The parent of a prefork pool has a client with an open connection before it forks.
    get_client().disconnect_whatsapp_call(
        whatsapp_call_id=get_client()
        .dial_whatsapp_call(
            whatsapp_phone_number_id="1",
            whatsapp_to_phone_number="15550000000",
            whatsapp_api_key="key",
            whatsapp_cloud_api_version="23.0",
        )
        .whatsapp_call_id,
        whatsapp_api_key="key",
    )
