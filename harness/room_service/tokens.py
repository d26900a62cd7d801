"""Login tokens: JSON Web Tokens (RFC 7519), HS256, signed with the service's secret."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import jwt
from jwt.types import Options

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
    secret: str,
    user_id: str,
    room_id: str,
    *,
    lifetime: float = LIFETIME,
    publish: bool = True,
    admin: bool = False,
    wall: Callable[[], float] = time.time,
) -> str:
    """A token that expires `lifetime` seconds from now, by the given Unix clock."""
    payload = {"sub": user_id, "room": room_id, "exp": wall() + lifetime, "publish": publish, "admin": admin}
    return jwt.encode(payload, secret, algorithm="HS256")


def read_token(secret: str, token: str, wall: Callable[[], float] | None = time.time) -> Claims:
    """Raises CallError 1002033 when the token is not ours, damaged or expired by the given Unix clock, if any."""
    # PyJWT would compare with the real time; here the clock is the service's own.
    options: Options = {"require": ["sub", "room", "exp"], "verify_exp": False}
    try:
        payload = jwt.decode(token, secret, algorithms=["HS256"], options=options)
        claims = Claims(
            str(payload["sub"]),
            str(payload["room"]),
            float(payload["exp"]),
            bool(payload.get("publish", True)),
            bool(payload.get("admin", False)),
        )
    except (jwt.InvalidTokenError, ValueError, TypeError) as error:
        raise CallError(ErrorCode.TOKEN_INVALID, f"the token is not valid: {error}") from None
    if wall is not None and not claims.expires_at > wall():
        raise CallError(ErrorCode.TOKEN_INVALID, "the token is not valid: it has expired")
    return claims
