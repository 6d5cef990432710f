"""Session descriptions like those of Meta's media servers: audio only, Opus, ICE lite.

Source: RFC 8866 (SDP), RFC 8839 (ICE), RFC 8122 (fingerprint), RFC 5763 (setup).
"""

from __future__ import annotations

import secrets

from .._gen import SessionDescription

__all__ = ["make_sdp"]


def make_sdp(kind: str) -> SessionDescription:
    """Return the "offer" of a user who calls, or the "answer" of a user who picks up."""
    lines = (
        "v=0",
        f"o=- {secrets.randbits(52)} 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=ice-lite",
        "a=group:BUNDLE audio",
        "a=msid-semantic: WMS *",
        "m=audio 3484 UDP/TLS/RTP/SAVPF 111 126",
        "c=IN IP4 127.0.0.1",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "a=candidate:1 1 udp 2130706431 127.0.0.1 3484 typ host generation 0",
        f"a=ice-ufrag:{secrets.token_hex(4)}",
        f"a=ice-pwd:{secrets.token_hex(12)}",
        f"a=fingerprint:sha-256 {secrets.token_bytes(32).hex(':').upper()}",
        f"a=setup:{'actpass' if kind == 'offer' else 'active'}",
        "a=mid:audio",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:126 telephone-event/8000",
        "a=maxptime:20",
        f"a=ssrc:{secrets.randbits(32)} cname:WhatsAppAudioStream1",
    )
    return SessionDescription(type=kind, sdp="\r\n".join(lines) + "\r\n")
