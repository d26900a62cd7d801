"""Login tokens as schedules ask for them: good, expiring, expired, or not the service's at all."""

from __future__ import annotations

from collections.abc import Callable

from harness.conform.argument import Token
from harness.conform.delay import Windows
from harness.room_service.tokens import LIFETIME, make_token

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
