"""An optional app: a log of all calls, kept by the signals, with an admin page.

    INSTALLED_APPS = [..., "livekit_connector_sync.contrib.django.calllog"]

then `manage.py migrate`.
"""
