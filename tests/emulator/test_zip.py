"""The emulator in a zip file, as zipapp, PEX, and shiv make them."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "livekit_connector_sync"
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
import urllib.request
import livekit_connector_sync
from livekit_connector_sync.emulator import ConnectorEmulator
assert livekit_connector_sync.__file__.startswith(sys.argv[1]), livekit_connector_sync.__file__
with ConnectorEmulator() as emulator:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    print(opener.open(emulator.url).read().decode())
"""


def test_the_page_in_a_zip(tmp_path: Path) -> None:
    archive = tmp_path / "app.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        for path in PACKAGE.rglob("*"):
            if path.suffix in (".py", ".html"):
                packed.write(path, path.relative_to(PACKAGE.parent))
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(archive)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == f"{(PACKAGE / 'emulator' / 'page.html').read_text('utf-8')}\n"
