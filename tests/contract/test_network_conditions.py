"""What the harness does to the network of a user's media is never the service's fault, and is no loss of the room."""

from __future__ import annotations

from typing import Any

import pytest

from harness.contract.judge import judge_history
from harness.contract.profile import load_profile
from harness.contract.verdict import Judgement
from harness.trace.history import history_of

HEADER = {"service": "reference", "started": 0.0}
WIFI = {"phase": "once", "name": "network", "media": "carried"}
OUTAGE = {"phase": "begin", "name": "outage", "media": "impaired"}
OVER = {"phase": "end", "name": "outage", "media": "carried"}


class Trace:
    """Records of alice and bob in one room, in order of time."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self._sequence = {"alice": 0, "bob": 0}
        self._operation = 0

    def write(self, t: float, who: str, kind: str, name: str, /, **args: Any) -> None:
        record = {"kind": kind, "name": name, "client": f"{who}#1", "user": who, "room": "r", "t": t, "args": args}
        if kind in ("call", "ret", "cb"):
            record |= {"seq": self._sequence[who], "epoch": 1}
            self._sequence[who] += 1
        self.records.append(record)

    def call(self, t: float, who: str, name: str, **args: Any) -> None:
        self._operation += 1
        self.write(t, who, "call", name, **args)
        self.records[-1]["op"] = self._operation

    def returned(self, t: float, who: str, name: str) -> None:
        operation = max(r["op"] for r in self.records if r["kind"] == "call" and r["name"] == name)
        self.write(t, who, "ret", name, result="ok")
        self.records[-1]["op"] = operation

    def login(self, t: float, who: str) -> None:
        self.call(t, who, "login", room="r", user=who)
        self.write(t, who, "cb", "room.state", state="LOGGING_IN")
        self.write(t + 0.1, who, "cb", "room.state", state="IN", session="s")
        self.returned(t + 0.1, who, "login")

    def conditions(self, t: float, who: str, args: dict[str, Any]) -> None:
        self.write(t, who, "fault", "conditions", network={"up": {}, "down": {}}, **args)

    def judge(self) -> Judgement:
        records = sorted(self.records, key=lambda record: record["t"])
        return judge_history(history_of(records, HEADER), load_profile("reference"), rules=())


def call_without_media(*, publisher: list[Any] | None = None, player: list[Any] | None = None) -> Trace:
    """Bob plays alice's stream from second 3 on and is never shown a frame. publisher, player: their conditions."""
    trace = Trace()
    trace.login(0, "alice")
    trace.login(1, "bob")
    trace.write(1.1, "bob", "cb", "roster.users", op="ADD", items=[{"id": "alice"}])
    trace.write(1.1, "alice", "cb", "roster.users", op="ADD", items=[{"id": "bob"}])
    for who, found in (("alice", publisher), ("bob", player)):
        for t, args in found or ():
            trace.conditions(t, who, args)
    trace.call(2, "alice", "publish", stream="s", kinds={"video": "vp8"})
    trace.write(2, "alice", "cb", "pub.state", stream="s", state="REQ")
    trace.write(2.2, "alice", "cb", "pub.state", stream="s", state="LIVE")
    trace.returned(2.2, "alice", "publish")
    trace.write(2.3, "bob", "cb", "roster.streams", op="ADD", items=[{"id": "s", "user": "alice"}])
    trace.call(3, "bob", "play", stream="s")
    trace.write(3, "bob", "cb", "play.state", stream="s", state="REQ")
    trace.write(3.2, "bob", "cb", "play.state", stream="s", state="LIVE")
    trace.returned(3.2, "bob", "play")
    for t in range(4, 30, 3):
        trace.write(t + 0.5, "alice", "cb", "pub.quality", stream="s", fps=25)
        trace.write(t + 0.6, "bob", "cb", "play.quality", stream="s", fps=25)
    return trace


def blamed(judgement: Judgement) -> set[str]:
    return {outcome.rule for outcome in judgement.outcomes.values() if outcome.count}


def test_media_that_never_comes_is_the_services_fault_where_the_network_is_good() -> None:
    assert "LV-06" in blamed(call_without_media().judge())
    mild = call_without_media(publisher=[(0.05, WIFI)], player=[(1.05, WIFI), (3.5, {**OUTAGE, "media": "carried"})])
    assert "LV-06" in blamed(mild.judge()), "conditions that carry media excuse nothing"


@pytest.mark.parametrize("side", ["publisher", "player"])
@pytest.mark.parametrize(
    "conditions",
    [
        [(2.5, OUTAGE)],
        [(0.05, {**OUTAGE, "phase": "once"})],
        [(2.5, OUTAGE), (5.0, OVER)],
        [(3.1, {"phase": "begin", "name": "whatever another harness does"})],
        [(3.5, OUTAGE), (4.0, {**OVER, "media": "impaired"})],
    ],
    ids=["still out", "from the start", "out for a while", "nothing said", "back on a bad network"],
)
def test_nobody_is_blamed_for_media_that_the_harness_kept_away(side: str, conditions: list[Any]) -> None:
    judgement = call_without_media(**{side: conditions}).judge()
    assert "LV-06" not in blamed(judgement), judgement.outcomes["LV-06"].violations


def test_who_is_back_on_a_good_network_before_the_play_is_owed_its_media() -> None:
    assert "LV-06" in blamed(call_without_media(player=[(1.2, OUTAGE), (2.9, OVER)]).judge())


def test_a_publish_that_stays_requested_in_an_outage_is_not_the_services_fault() -> None:
    def trace(conditions: list[Any]) -> Trace:
        made = Trace()
        made.login(0, "alice")
        for t, args in conditions:
            made.conditions(t, "alice", args)
        made.call(2, "alice", "publish", stream="s", kinds={"video": "vp8"})
        made.write(2, "alice", "cb", "pub.state", stream="s", state="REQ")
        made.write(60, "alice", "cb", "net.quality", up=0, down=0)
        return made

    assert "LV-06" in blamed(trace([]).judge())
    assert "LV-06" not in blamed(trace([(1, OUTAGE)]).judge())
    assert "LV-06" not in blamed(trace([(1, OUTAGE), (5, OVER)]).judge())


def test_quality_that_stops_with_the_network_breaks_no_cadence() -> None:
    def trace(conditions: list[Any]) -> Trace:
        made = call_without_media(player=[(t, args) for t, args in conditions])
        made.records = [r for r in made.records if r["name"] != "play.quality" or r["t"] < 8 or r["t"] > 22]
        return made

    assert "QM-01" in blamed(trace([]).judge())
    assert "QM-01" not in blamed(trace([(7, OUTAGE), (22, OVER)]).judge())


def test_a_network_without_media_is_no_outage_of_the_room() -> None:
    """Nobody is to be deleted for silence, nothing to be recovered: the signalling never stopped."""
    trace = call_without_media(player=[(10, OUTAGE), (12, OVER)])
    trace.write(120, "alice", "cb", "net.quality", up=0, down=0)
    judgement = trace.judge()
    assert judgement.outcomes["LV-05"].exercised == 0
    assert not {rule for rule in blamed(judgement) if rule.startswith(("LV-05", "RC-", "RO-"))}


def test_conditions_that_cut_the_signalling_off_as_well_are_an_outage_of_the_room() -> None:
    trace = call_without_media(player=[(10, {**OUTAGE, "signalling": True})])
    trace.write(200, "alice", "cb", "net.quality", up=0, down=0)
    judgement = trace.judge()
    assert judgement.outcomes["LV-05"].exercised > 0
    assert "LV-05" in blamed(judgement), "bob was silent for minutes, and alice was never told"
