"""The fold of what one session was sent, which fails on what cannot follow what it knew."""

from __future__ import annotations

from typing import Any


class Told:
    """What one session knows by the fold of its events."""

    def __init__(self, *, user_updates: bool) -> None:
        self.user_updates = user_updates
        self.users: dict[str, str] = {}
        self.streams: dict[str, tuple[str, str]] = {}  # user, extra info
        self.room_extra: dict[str, str] = {}
        self.plays: dict[str, str] = {}
        self.published: dict[str, str] = {}
        self.devices: dict[str, dict[str, str]] = {}  # stream: kind: state
        self.ended = False

    def hear(self, event: dict[str, Any]) -> None:
        assert not self.ended, f"{event} after the end"
        getattr(self, "on_" + event["event"], lambda event: None)(event)

    def on_user_update(self, event: dict[str, Any]) -> None:
        assert self.user_updates
        self._fold(self.users, event["op"], {u["user"]: u["name"] for u in event["users"]}, event["users"])

    def on_stream_update(self, event: dict[str, Any]) -> None:
        items = {s["stream"]: (s["user"], s.get("extra", "")) for s in event["streams"]}
        if event["op"] == "ADD" and self.user_updates:
            assert {user for user, _ in items.values()} <= set(self.users), "a stream before its user"
        if event["op"] == "DEL":
            assert all(s["reason"] in (1, 2, 3, 4, 5) for s in event["streams"])
            assert all(self.streams[s["stream"]][0] == s["user"] for s in event["streams"])
        self._fold(self.streams, event["op"], items, event["streams"])

    @staticmethod
    def _fold(known: dict[str, Any], op: str, items: dict[str, Any], listed: list[Any]) -> None:
        assert len(items) == len(listed) > 0, "an empty list, or one with doubles"
        if op == "ADD":
            assert not items.keys() & known.keys(), "added what was there"
            known |= items
        else:
            for item in items:
                del known[item]  # a KeyError: deleted what was not there

    def on_stream_extra(self, event: dict[str, Any]) -> None:
        for item in event["streams"]:
            assert self.streams[item["stream"]][0] == item["user"]
            told = (item["user"], item["extra"])
            assert self.streams[item["stream"]] != told, "told twice"
            self.streams[item["stream"]] = told

    def on_room_extra(self, event: dict[str, Any]) -> None:
        assert self.room_extra.get(event["key"]) != event["value"], "told twice"
        self.room_extra[event["key"]] = event["value"]

    def on_player_state(self, event: dict[str, Any]) -> None:
        self.plays[event["stream"]] = event["state"]
        if event["state"] == "IDLE":
            self.devices.pop(event["stream"], None)

    def on_publisher_state(self, event: dict[str, Any]) -> None:
        assert self.published[event["stream"]] != event["state"], "told twice"
        self.published[event["stream"]] = event["state"]

    def on_device(self, event: dict[str, Any]) -> None:
        devices = self.devices.setdefault(event["stream"], {})
        assert devices.get(event["kind"], "open") != event["state"], "told twice"
        devices[event["kind"]] = event["state"]

    def on_kicked(self, event: dict[str, Any]) -> None:
        assert event["code"] in (1002050, 1002055, 1002056)
        self.ended = True
