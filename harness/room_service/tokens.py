"""Login tokens: JSON Web Tokens (RFC 7519), HS256, signed with the service's secret."""

from __future__ import annotations

import time
from dataclasses import dataclass

import jwt

from harness.call.errors import CallError, ErrorCode

LIFETIME = 24 * 3600
MINIMUM_SECRET_BYTES = 32


@dataclass(frozen=True)
class Claims:
    """What a token allows. expires_at: Unix seconds."""

    user_id: str
    room_id: str
    expires_at: float
    publish: bool = True
    admin: bool = False


def make_token(
    secret: str, user_id: str, room_id: str, *, lifetime: float = LIFETIME, publish: bool = True, admin: bool = False
) -> str:
    payload = {"sub": user_id, "room": room_id, "exp": time.time() + lifetime, "publish": publish, "admin": admin}
    return jwt.encode(payload, secret, algorithm="HS256")


def read_token(secret: str, token: str) -> Claims:
    """Raises CallError 1002033 when the token is not ours, damaged or expired."""
    try:
        payload = jwt.decode(token, secret, algorithms=["HS256"], options={"require": ["sub", "room", "exp"]})
        return Claims(
            str(payload["sub"]),
            str(payload["room"]),
            float(payload["exp"]),
            bool(payload.get("publish", True)),
            bool(payload.get("admin", False)),
        )
    except (jwt.InvalidTokenError, ValueError, TypeError) as error:
        raise CallError(ErrorCode.TOKEN_INVALID, f"the token is not valid: {error}") from None
