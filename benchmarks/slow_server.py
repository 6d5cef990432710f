"""A server that responds to each request after 20 ms: `python -m benchmarks.slow_server PORT`."""

from __future__ import annotations

import asyncio
import re
import sys

from .contenders import RESPONSE

DELAY = 0.020  # seconds


class _Connection(asyncio.Protocol):
    def __init__(self, response: bytes) -> None:
        self._response = response
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if end and length and len(body) >= int(length[1]):
            self._received = b""
            asyncio.get_running_loop().call_later(DELAY, self._transport.write, self._response)


async def main(port: int) -> None:
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/protobuf\r\n"
        f"Content-Length: {len(RESPONSE)}\r\n\r\n"
    )
    response = head.encode() + RESPONSE
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(response), "127.0.0.1", port, backlog=512)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
