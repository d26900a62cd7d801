"""One room on virtual time, and what each of its sessions has been sent."""

from __future__ import annotations

from typing import Any

import pytest

from harness.call import CallError
from harness.room_service.effects import Effect, Send
from harness.room_service.room import RoomLogic
from harness.room_service.settings import Settings
from harness.room_service.state import Session
from harness.room_service.tokens import Claims

FOREVER = 1e12
WALL = 1_000_000.0
KINDS = {"video": "vp8"}


class Room:
    """One room and what each session has been sent."""

    def __init__(self, **settings: Any) -> None:
        windows = {"heartbeat_timeout": 90, "retry_window": 1200, "count_interval": FOREVER}
        self.logic = RoomLogic(Settings(**{**windows, **settings}))
        self.now = 0.0
        self.sent: dict[str, list[dict[str, Any]]] = {}
        self.other: list[Effect] = []

    def apply(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Send):
                self.sent.setdefault(effect.session, []).append(effect.event)
            else:
                self.other.append(effect)

    def enter(
        self,
        user: str,
        *,
        room: str = "room",
        updates: bool = True,
        expires: float = FOREVER,
        client: str = "",
        **rights: bool,
    ) -> Session:
        claims = Claims(user, room, expires, **rights)
        session, effects = self.logic.login(self.now, WALL, claims, user_name=user, user_updates=updates, client=client)
        self.apply(effects)
        return session

    def publish(self, session: Session, stream: str, *, live: bool = True) -> None:
        self.apply(self.logic.publish(WALL, session.session_id, stream, KINDS, ""))
        if live:
            self.apply(self.logic.stream_live(session.session_id, stream))

    def take(self, session: Session) -> list[tuple[str, Any]]:
        """What was sent since the last look: event and its gist."""
        gist = {
            "user_update": lambda e: (e["op"], [u["user"] for u in e["users"]]),
            "stream_update": lambda e: (e["op"], [(s["stream"], s.get("reason")) for s in e["streams"]]),
            "publisher_state": lambda e: (e["stream"], e["state"], e["code"]),
            "player_state": lambda e: (e["stream"], e["state"], e["code"]),
            "kicked": lambda e: e["code"],
            "count": lambda e: e["users"],
            "device": lambda e: (e["stream"], e["kind"], e["state"]),
        }
        events = self.sent.pop(session.session_id, [])
        return [(e["event"], gist.get(e["event"], lambda e: e)(e)) for e in events]


def refused(code: int) -> Any:
    return pytest.raises(CallError, match="") if code is None else _Refused(code)


class _Refused:
    def __init__(self, code: int) -> None:
        self.code = code

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        assert isinstance(error, CallError), f"not refused with {self.code}"
        assert error.code == self.code
        return True
