"""Login tokens as schedules ask for them: good, expiring, expired, or not the service's at all."""

from __future__ import annotations

from collections.abc import Callable

import jwt

from harness.call.errors import ErrorCode
from harness.conform.argument import Token
from harness.conform.delay import Windows
from harness.room_service.tokens import LIFETIME, make_token

REFUSED_WITH = (int(ErrorCode.TOKEN_INVALID),)
_FOREIGN_SECRET = "a secret that is not the one of the service"


def make(secret: str, user_id: str, room_id: str, token: Token, windows: Windows, wall: Callable[[], float]) -> str:
    """wall: Unix seconds, by the service's clock."""
    if token.kind == "bad":
        secret = _FOREIGN_SECRET
    lifetime: float = LIFETIME
    if token.kind == "expired":
        lifetime = -60
    elif token.expires_in is not None:
        lifetime = token.expires_in.seconds(windows)
    return make_token(secret, token.user or user_id, room_id, lifetime=lifetime, admin=token.kind == "admin", wall=wall)


def expiry(token: str) -> float:
    """Unix seconds, whoever signed it."""
    return float(jwt.decode(token, options={"verify_signature": False, "verify_exp": False})["exp"])


def fault(token: Token, user_id: str) -> str:
    """Why a service must refuse this user's token; empty if it need not."""
    if token.kind == "bad":
        return "its token is signed by somebody else"
    if token.kind == "expired":
        return "its token has expired"
    return f"its token is for {token.user}" if token.user not in ("", user_id) else ""
