"""The annotations of everything public resolve at run time, on the oldest Python too."""

from __future__ import annotations

import json
import subprocess
import sys

# In a process of its own: Django can be configured only once in each.
PROGRAM = """
import importlib, inspect, json, pkgutil, typing, warnings
import django
from django.conf import settings
import livekit_connector_sync as lk

warnings.simplefilter("ignore")
settings.configure(INSTALLED_APPS=[
    "django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes",
    "livekit_connector_sync.contrib.django", "livekit_connector_sync.contrib.django.calllog",
])
django.setup()

def public(name):
    parts = name.split(".")[1:]
    # Users don't call pytest's fixtures and manage.py's commands.
    named = not any(part.startswith("_") for part in parts)
    return named and not {"pytest_plugin", "commands"} & {*parts}

def members(owner, module):
    for name, value in vars(owner).items():
        value = getattr(value, "__func__", getattr(value, "fget", value))
        own = getattr(value, "__module__", None) == module
        if own and (not name.startswith("_") or name in ("__init__", "__call__", "__enter__")):
            yield value

modules = [m.name for m in pkgutil.walk_packages(lk.__path__, "livekit_connector_sync.")]
found = [getattr(lk, name) for name in lk.__all__]
for module in map(importlib.import_module, filter(public, modules)):
    found += members(module, module.__name__)
for kind in filter(inspect.isclass, list(found)):
    found += members(kind, kind.__module__)
seen, failed = [], []
for each in found:
    if inspect.isclass(each) or inspect.isfunction(each):
        name = f"{each.__module__}.{each.__qualname__}"
        seen.append(name)
        try:
            typing.get_type_hints(each)
        except Exception as exc:
            failed.append(f"{name}: {exc!r}")
print(json.dumps([seen, failed]))
"""


def test_the_hints_of_every_public_callable_resolve() -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], text=True, capture_output=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    seen, failed = json.loads(result.stdout)
    assert not failed
    package = "livekit_connector_sync"
    assert {
        f"{package}._gen.livekit_connector_twirp.ConnectorClient.dial_whatsapp_call",
        f"{package}._gen.dicts.SessionDescriptionDict",
        f"{package}.service.ServiceClient.__init__",
        f"{package}._runtime.channel.Channel.__init__",
        f"{package}.contrib.celery.worker.get_client",
    } <= set(seen)
