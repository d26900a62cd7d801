"""A faultless trace of any length: rooms whose members come, publish, play each other, are measured, and leave."""

from __future__ import annotations

import heapq
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

HEADER = {
    "format": "call-trace",
    "version": 1,
    "scenario": "made",
    "seed": 1,
    "service": "reference",
    "started_unix": 1_700_000_000.0,
    "started": 0.0,
    "clock": "monotonic",
    "epsilon_us": 0,
}


class Made:
    """Events on a heap of virtual time; `records` are written as an engine would."""

    def __init__(self, rooms: int, members: int, seed: int = 1) -> None:
        self._random = random.Random(seed)
        self._rooms = {f"room-{number}": {} for number in range(rooms)}  # type: dict[str, dict[str, Any]]
        self._members = members
        self._due: list[tuple[float, int, Callable[[float], None]]] = []
        self._number = 0
        self._out: list[dict[str, Any]] = []
        self._sequence: dict[str, int] = {}
        self._operation = 0
        for name in self._rooms:
            for _ in range(members):
                self._at(self._random.uniform(0, 20), lambda t, name=name: self._come(t, name))

    def records(self, count: int) -> Iterator[dict[str, Any]]:
        """The first `count` records, in order of time."""
        given = 0
        while given < count:
            at, _, action = heapq.heappop(self._due)
            action(at)
            for record in self._out:
                yield record
                given += 1
                if given == count:
                    return
            self._out.clear()

    def _at(self, when: float, action: Callable[[float], None]) -> None:
        self._number += 1
        heapq.heappush(self._due, (when, self._number, action))

    def _write(self, t: float, who: dict[str, Any], kind: str, name: str, args: dict[str, Any], op: int = 0) -> None:
        client = who["client"]
        sequence = self._sequence[client] = self._sequence.get(client, -1) + 1
        record = {
            "seq": sequence,
            "client": client,
            "user": who["user"],
            "room": who["room"],
            "epoch": 1,
            "kind": kind,
            "name": name,
            "args": args,
            "t": round(t, 6),
        }
        if op:
            record["op"] = op
        if kind == "cb":
            record["t_wire"] = round(t - 0.0002, 6)
            record["native"] = {"event": name, "op": args.get("op", ""), "seq": sequence}
        self._out.append(record)

    def _call(
        self, t: float, who: dict[str, Any], name: str, args: dict[str, Any], then: Callable[[float], None]
    ) -> None:
        self._operation += 1
        op = self._operation
        self._write(t, who, "call", name, args, op)

        def answered(at: float) -> None:
            then(at)
            self._write(at, who, "ret", name, {"result": "ok", "code": 0}, op)

        self._at(t + 0.002, answered)

    def _come(self, t: float, room: str) -> None:
        self._number += 1
        user = f"user-{self._number}"
        who = {"client": f"{user}#1", "user": user, "room": room, "plays": {}, "stream": f"{user}-camera", "in": False}

        def entered(at: float) -> None:
            others = self._rooms[room]
            self._write(at, who, "cb", "room.state", {"state": "IN", "code": 0, "session": room})
            who["in"] = True
            if others:
                items = [{"id": other, "name": other} for other in others]
                self._write(at, who, "cb", "roster.users", {"op": "ADD", "items": items, "src_seq": None})
                live = [o for o in others.values() if o.get("live")]
                if live:
                    streams = [{"id": o["stream"], "user": o["user"], "extra": ""} for o in live]
                    self._write(at, who, "cb", "roster.streams", {"op": "ADD", "items": streams, "src_seq": None})
                for other in others.values():
                    items = [{"id": user, "name": user}]
                    self._write(at, other, "cb", "roster.users", {"op": "ADD", "items": items, "src_seq": 1})
                for other in live:
                    self._at(at + 0.001, lambda now, other=other: self._play(now, who, other))
            others[user] = who
            self._at(at + 0.05, lambda now: self._publish(now, who))
            self._at(at + 30, lambda now: self._count(now, who))
            self._at(at + self._random.uniform(60, 180), lambda now: self._leave(now, who))

        self._call(t, who, "login", {"room": room, "user": user, "user_updates": True}, entered)
        self._write(t, who, "cb", "room.state", {"state": "LOGGING_IN", "code": 0, "session": ""})

    def _publish(self, t: float, who: dict[str, Any]) -> None:
        stream = who["stream"]

        def live(at: float) -> None:
            for stage in ("captured", "sent"):
                for media in ("video", "audio"):
                    self._write(at, who, "cb", "pub.first", {"stream": stream, "media": media, "stage": stage})
            self._write(at, who, "cb", "pub.state", {"stream": stream, "state": "LIVE", "code": 0})
            who["live"] = at
            for other in self._rooms[who["room"]].values():
                if other is not who:
                    items = [{"id": stream, "user": who["user"], "extra": ""}]
                    self._write(at, other, "cb", "roster.streams", {"op": "ADD", "items": items, "src_seq": 2})
                    self._at(at + 0.001, lambda now, other=other: self._play(now, other, who))
            self._at(at + 3, lambda now: self._publish_quality(now, who, 0))

        self._call(t, who, "publish", {"stream": stream, "kinds": {"video": "vp8", "audio": "opus"}}, live)
        self._write(t, who, "cb", "pub.state", {"stream": stream, "state": "REQ", "code": 0})

    def _play(self, t: float, who: dict[str, Any], publisher: dict[str, Any]) -> None:
        stream = publisher["stream"]
        if not (who["in"] and publisher["in"]) or stream in who["plays"]:
            return
        who["plays"][stream] = t

        def live(at: float) -> None:
            if who["in"] and stream in who["plays"]:
                self._write(at, who, "cb", "play.state", {"stream": stream, "state": "LIVE", "code": 0})
                for stage in ("received", "rendered"):
                    for media in ("video", "audio"):
                        self._write(at, who, "cb", "play.first", {"stream": stream, "media": media, "stage": stage})
                self._at(at + 3, lambda now: self._play_quality(now, who, stream, 0))

        self._call(t, who, "play", {"stream": stream}, live)
        self._write(t, who, "cb", "play.state", {"stream": stream, "state": "REQ", "code": 0})

    def _quality(self, t: float, who: dict[str, Any], name: str, stream: str, seen: int) -> int:
        args = {"stream": stream, "fps": 25, "kbps": 500, "rtt": 3, "loss": 0, "level": 0, "bytes": seen + 190_000}
        self._write(t, who, "cb", name, args)
        return seen + 190_000

    def _publish_quality(self, t: float, who: dict[str, Any], seen: int) -> None:
        if who["in"]:
            seen = self._quality(t, who, "pub.quality", who["stream"], seen)
            self._at(t + 3, lambda now: self._publish_quality(now, who, seen))

    def _play_quality(self, t: float, who: dict[str, Any], stream: str, seen: int) -> None:
        if who["in"] and stream in who["plays"]:
            seen = self._quality(t, who, "play.quality", stream, seen)
            self._at(t + 3, lambda now: self._play_quality(now, who, stream, seen))

    def _count(self, t: float, who: dict[str, Any]) -> None:
        if who["in"]:
            self._write(t, who, "cb", "room.count", {"n": len(self._rooms[who["room"]])})
            self._at(t + 30, lambda now: self._count(now, who))

    def _leave(self, t: float, who: dict[str, Any]) -> None:
        room, user, stream = self._rooms[who["room"]], who["user"], who["stream"]

        def out(at: float) -> None:
            who["in"] = False
            room.pop(user, None)
            for other in room.values():
                items = [{"id": stream, "user": user, "extra": ""}]
                deleted = {"op": "DEL", "items": items, "src_seq": 3, "reasons": [1]}
                self._write(at, other, "cb", "roster.streams", deleted)
                if other["plays"].pop(stream, None) is not None:
                    self._write(at, other, "cb", "play.state", {"stream": stream, "state": "REQ", "code": 1004020})
                    self._call(
                        at, other, "unplay", {"stream": stream}, lambda now, other=other: self._idle(now, other, stream)
                    )
                items = [{"id": user, "name": user}]
                self._write(at, other, "cb", "roster.users", {"op": "DEL", "items": items, "src_seq": 4})
            self._write(at, who, "cb", "pub.state", {"stream": stream, "state": "IDLE", "code": 0})
            for played in who["plays"]:
                self._write(at, who, "cb", "play.state", {"stream": played, "state": "IDLE", "code": 0})
            self._write(at, who, "cb", "room.state", {"state": "OUT", "code": 0, "session": ""})
            self._at(at + 0.01, lambda now: self._write(now, who, "call", "destroy", {}))
            self._at(at + 1, lambda now: self._come(now, who["room"]))

        self._call(t, who, "logout", {}, out)

    def _idle(self, t: float, who: dict[str, Any], stream: str) -> None:
        if who["in"]:
            self._write(t, who, "cb", "play.state", {"stream": stream, "state": "IDLE", "code": 0})


def made_lines(count: int, *, rooms: int = 10, members: int = 6, seed: int = 1) -> Iterator[bytes]:
    """Lines of a trace of `count` records."""
    yield json.dumps(HEADER).encode() + b"\n"
    for record in Made(rooms, members, seed).records(count):
        yield json.dumps(record, separators=(",", ":")).encode() + b"\n"
