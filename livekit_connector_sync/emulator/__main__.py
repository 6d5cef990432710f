"""`python -m livekit_connector_sync.emulator`: the same as `livekit-connector-sync emulator`."""

from __future__ import annotations

import sys

from ..cli import main

sys.exit(main(["emulator", *sys.argv[1:]]))
