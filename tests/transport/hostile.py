"""The scripted server, under the name that the tests of the transport use."""

from helpers.scripted import *  # noqa: F403
from helpers.scripted import ScriptedServer as HostileServer  # noqa: F401
