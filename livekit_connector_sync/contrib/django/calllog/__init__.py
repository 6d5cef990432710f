"""An optional app that logs every call, with an admin page.

    INSTALLED_APPS = [..., "livekit_connector_sync.contrib.django.calllog"]

Then run `manage.py migrate`.
"""
