"""Completion in editors: by jedi, and by pyright's language server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jedi
import pytest

import livekit_connector_sync as lk

ROOT = Path(__file__).parents[2]
FIELDS = [field.name for field in lk.DialWhatsAppCallRequest.DESCRIPTOR.fields]
OPTIONS = ["timeout", "retry", "extra_headers"]
CLIENTS = ["client", "client.with_call", "client.with_options(timeout=1)", "api.connector"]

SOURCE = """\
import livekit_connector_sync as lk
from livekit_connector_sync.contrib.django import signals

client = lk.ConnectorClient("wss://x", "key", "secret")
api = lk.LiveKitAPI()
"""

# The package is found by its path, as an editable install leaves nothing that pyright can read.
SETTINGS = {
    "python": {"pythonPath": sys.executable, "analysis": {"extraPaths": [str(ROOT)]}},
}


def described(docstring: str) -> set[str]:
    """Return the arguments that a docstring's Args section describes."""
    section = docstring.partition("Args:")[2].partition("Returns:")[0]
    lines = [line.strip() for line in section.splitlines()]
    return {name for name, colon, text in (line.partition(":") for line in lines) if text.strip()}


def script(line: str) -> jedi.Script:
    """Return jedi's view of an unfinished line; in this process, so that none is left behind."""
    return jedi.Script(SOURCE + line, environment=jedi.InterpreterEnvironment())


class TestJedi:
    def complete(self, line: str) -> list[Any]:
        return list(script(line).complete())

    def test_offers_every_field_as_a_keyword(self) -> None:
        names = {completion.name for completion in self.complete("client.dial_whatsapp_call(")}
        assert {f"{name}=" for name in FIELDS + OPTIONS} <= names

    def test_shows_every_field_with_its_documentation(self) -> None:
        fields, request = script("client.dial_whatsapp_call(").get_signatures()
        assert [parameter.name for parameter in fields.params] == FIELDS + OPTIONS
        assert [parameter.name for parameter in request.params] == ["request", *OPTIONS]
        for signature in (fields, request):
            assert set(FIELDS + OPTIONS) <= described(signature.docstring())

    def test_offers_the_same_on_every_form_of_a_client(self) -> None:
        for client in CLIENTS:
            fields, _ = script(f"{client}.dial_whatsapp_call(").get_signatures()
            assert [parameter.name for parameter in fields.params] == FIELDS + OPTIONS
            assert set(FIELDS + OPTIONS) <= described(fields.docstring())
            names = {item.name for item in self.complete(f"{client}.dial_whatsapp_call(")}
            assert {f"{name}=" for name in FIELDS + OPTIONS} <= names

    def test_offers_the_calls_on_the_client_and_on_the_api(self) -> None:
        calls = {
            "accept_whatsapp_call",
            "connect_twilio_call",
            "connect_whatsapp_call",
            "dial_whatsapp_call",
            "disconnect_whatsapp_call",
        }
        for line in ("client.", "api.connector."):
            assert calls <= {completion.name for completion in self.complete(line)}

    def test_offers_the_fields_of_a_response_and_the_constants_of_an_enum(self) -> None:
        names = {completion.name for completion in self.complete("client.dial_whatsapp_call().")}
        assert {"whatsapp_call_id", "room_name"} <= names
        names = {completion.name for completion in self.complete("lk.TwilioCallDirection.")}
        assert "TWILIO_CALL_DIRECTION_INBOUND" in names

    def test_offers_fields_and_constants_in_a_live_shell(self) -> None:
        namespace = {"client": lk.ConnectorClient("wss://x", "key", "secret"), "lk": lk}
        completions = jedi.Interpreter("client.dial_whatsapp_call(", [namespace]).complete()
        assert {f"{name}=" for name in FIELDS} <= {completion.name for completion in completions}
        completions = jedi.Interpreter("lk.TwilioCallDirection.", [namespace]).complete()
        assert "TWILIO_CALL_DIRECTION_INBOUND" in {item.name for item in completions}


class LanguageServer:
    """pyright's language server, spoken to over its standard streams.

    Source: https://microsoft.github.io/language-server-protocol/specifications/specification-current/
    """

    def __init__(self) -> None:
        self._ids = 0
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pyright.langserver", "--stdio"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},
        )

    def send(self, method: str, params: Any, **fields: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": params, **fields}).encode()
        self._write(body)

    def _write(self, body: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        length = 0
        while True:
            line = self._process.stdout.readline()
            assert line, "the language server has ended"
            if not line.strip():
                break
            name, _, value = line.decode().partition(":")
            if name.lower() == "content-length":
                length = int(value)
        message: dict[str, Any] = json.loads(self._process.stdout.read(length))
        return message

    def request(self, method: str, params: Any) -> Any:
        """Send a request; return its result, and answer what the server asks meanwhile."""
        self._ids += 1
        self.send(method, params, id=self._ids)
        while True:
            message = self._read()
            if "method" not in message and message["id"] == self._ids:
                assert "error" not in message, message
                return message["result"]
            if message.get("method") == "workspace/configuration":
                sections = [item.get("section") for item in message["params"]["items"]]
                settings = [SETTINGS.get(section, {}) for section in sections]
                answer = {"jsonrpc": "2.0", "id": message["id"], "result": settings}
                self._write(json.dumps(answer).encode())
            elif "method" in message and "id" in message:
                answer = {"jsonrpc": "2.0", "id": message["id"], "result": None}
                self._write(json.dumps(answer).encode())

    def close(self) -> None:
        self.request("shutdown", None)
        self.send("exit", None)
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(10)


class TestPyright:
    @pytest.fixture(scope="class")
    def server(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LanguageServer]:
        folder = tmp_path_factory.mktemp("user").as_uri()
        server = LanguageServer()
        server.request(
            "initialize",
            {
                "processId": os.getpid(),
                "rootUri": folder,
                "workspaceFolders": [{"uri": folder, "name": "user"}],
                "capabilities": {"workspace": {"configuration": True, "workspaceFolders": True}},
            },
        )
        server.send("initialized", {})
        yield server
        server.close()

    def ask(self, server: LanguageServer, path: Path, what: str, line: str, back: int = 0) -> Any:
        """Open a file that ends in a line; return what an editor shows so far before its end."""
        text = SOURCE + line
        uri = path.as_uri()
        document = {"uri": uri, "languageId": "python", "version": 1, "text": text}
        server.send("textDocument/didOpen", {"textDocument": document})
        position = {"line": text.count("\n"), "character": len(line) - back}
        params = {"textDocument": {"uri": uri}, "position": position}
        return server.request(f"textDocument/{what}", params)

    @pytest.mark.parametrize("client", CLIENTS)
    def test_offers_every_field_as_a_keyword(
        self, server: LanguageServer, tmp_path: Path, client: str
    ) -> None:
        line = f"{client}.dial_whatsapp_call("
        result = self.ask(server, tmp_path / "user.py", "completion", line)
        labels = {item["label"] for item in result["items"]}
        assert {f"{name}=" for name in FIELDS + OPTIONS} <= labels

    @pytest.mark.parametrize("client", CLIENTS)
    def test_shows_every_field_with_its_documentation(
        self, server: LanguageServer, tmp_path: Path, client: str
    ) -> None:
        line = f"{client}.dial_whatsapp_call("
        result = self.ask(server, tmp_path / "user.py", "signatureHelp", line)
        fields, request = result["signatures"]
        assert all(f"{name}:" in fields["label"] for name in FIELDS + OPTIONS)
        assert request["label"].startswith("(request: DialWhatsAppCallRequest, *, timeout:")
        for signature in (fields, request):
            assert set(FIELDS + OPTIONS) <= described(signature["documentation"]["value"])

    @pytest.mark.parametrize(
        ("line", "shown"),
        [
            ('client.connect_twilio_call(room_name="r", twilio_call_direction=0)', "The room for"),
            ("client.connect_twilio_call(lk.ConnectTwilioCallRequest())", "The room for the call"),
            ("client.with_call", "The same methods, but each returns"),
            ("lk.TwirpError().safe_to_retry", "True if a retry of the same call"),
            ("lk.RetryPolicy().max_backoff", "Seconds before any attempt"),
            ("signals.whatsapp_call_offered", "A user calls"),
        ],
    )
    def test_hovering_shows_the_documentation(
        self, server: LanguageServer, tmp_path: Path, line: str, shown: str
    ) -> None:
        back = len(line) - line.index("(") + 1 if line.endswith(")") else 1
        result = self.ask(server, tmp_path / "hover.py", "hover", line, back)
        assert shown in result["contents"]["value"]
