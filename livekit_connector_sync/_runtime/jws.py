"""Signs and verifies JWTs with HS256. PyJWT is slow to import, so it is imported on first use."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Optional

from .lazy_import import import_lazily

if TYPE_CHECKING:
    import jwt

ALGORITHM = "HS256"


def sign(claims: Mapping[str, Any], secret: str) -> str:
    """Return claims as a JWT signed with HS256 (RFC 7519)."""
    return signer().encode(json.dumps(claims, separators=(",", ":")).encode(), secret, ALGORITHM)


@functools.cache
def signer() -> jwt.PyJWS:
    """Return a signer that doesn't warn about short secrets, such as LiveKit's development secret.

    PyJWT warns about an HMAC key under 32 bytes at every call, but only the owner of the project
    can change the secret.
    """
    import_lazily("jwt")  # before the import statements, which are not safe from signals
    import jwt
    from jwt.algorithms import HMACAlgorithm

    class AnyLengthHMAC(HMACAlgorithm):
        def check_key_length(self, key: bytes) -> Optional[str]:
            return None

    found = jwt.PyJWS()
    found.unregister_algorithm(ALGORITHM)
    found.register_algorithm(ALGORITHM, AnyLengthHMAC(HMACAlgorithm.SHA256))
    return found
