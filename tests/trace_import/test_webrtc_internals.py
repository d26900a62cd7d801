"""Chrome's dumps: what the browser saw of its connections becomes calls, states, first frames and quality."""

from __future__ import annotations

import copy
import gzip
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.trace.history import History, open_history
from harness.trace.record import Record
from harness.trace.schema import trace_schema
from harness.trace_import.chrome_stats import FULL_BUFFER
from harness.trace_import.chrome_time import update_seconds, zone_of
from harness.trace_import.errors import LogError
from harness.trace_import.trace_file import TraceFile
from harness.trace_import.webrtc_internals import import_dump

DUMPS = Path(__file__).parent / "dumps"
BEGIN = 1_795_515_600.0
CURRENT: dict[str, Any] = json.loads((DUMPS / "current.json").read_bytes())


def history_of_dump(tmp_path: Path, dump: Any, name: str = "dump.json") -> History:
    path = tmp_path / name
    path.write_bytes(dump if isinstance(dump, bytes) else json.dumps(dump).encode())
    with TraceFile(tmp_path / "out.jsonl", force=True) as file:
        import_dump(path, file, "")
    return open_history(tmp_path / "out.jsonl")


def of(history: History, stream: str, *names: str) -> list[Record]:
    return [r for r in history if r.name in names and r.args.stream == stream]


def states(history: History, stream: str) -> list[tuple[float, str, int]]:
    return [(round(r.t - BEGIN, 3), r.args.state, r.args.code) for r in of(history, stream, "play.state", "pub.state")]


def changed(change: Any) -> dict[str, Any]:
    dump = copy.deepcopy(CURRENT)
    change(dump["PeerConnections"]["7-1"])
    return dump


@pytest.mark.parametrize("name", ["current.json", "older.json"])
def test_dumps_of_either_age_become_valid_traces_in_order(tmp_path: Path, name: str) -> None:
    history = history_of_dump(tmp_path, (DUMPS / name).read_bytes())
    records = list(history)
    assert history.problems == []
    assert history.header["service"] == "webrtc-internals"
    validator = jsonschema.Draft202012Validator(trace_schema())
    for line in (tmp_path / "out.jsonl").read_bytes().splitlines():
        validator.validate(json.loads(line))
    seqs = [r.seq for r in records if r.kind != "probe"]
    assert seqs == list(range(len(seqs)))


def test_a_connection_s_states_are_those_of_each_of_its_streams_and_closing_it_is_the_applications_call(
    tmp_path: Path,
) -> None:
    history = history_of_dump(tmp_path, CURRENT)
    expected = [(0, "REQ", 0), (0.6, "LIVE", 0), (8, "REQ", 1004020), (9.5, "LIVE", 0), (13, "IDLE", 0)]
    assert states(history, "7-1/in-1") == states(history, "7-1/in-0") == expected
    assert states(history, "7-1/out-2") == [(t, s, code and 1003020) for t, s, code in expected]
    calls = [(round(r.t - BEGIN), r.name, r.args.stream) for r in history if r.kind == "call" and r.name != "login"]
    assert [call for call in calls if "out" in call[2]] == [(0, "publish", "7-1/out-2"), (13, "unpublish", "7-1/out-2")]
    assert (0, "play", "7-1/in-1") in calls
    assert (13, "unplay", "7-1/in-1") in calls


def test_first_frames_are_when_the_counters_were_first_seen_above_zero(tmp_path: Path) -> None:
    history = history_of_dump(tmp_path, CURRENT)
    first = [(round(r.t - BEGIN, 3), r.args.media, r.args.stage) for r in history if r.name == "play.first"]
    assert first == [(2, "audio", "received"), (2, "video", "received"), (3, "video", "rendered")]


def test_quality_comes_every_three_seconds_from_the_counters_in_between(tmp_path: Path) -> None:
    history = history_of_dump(tmp_path, CURRENT)
    video = of(history, "7-1/in-1", "play.quality")
    assert [round(r.t - BEGIN) for r in video] == [3, 6, 9, 12]
    assert [r.args.bytes for r in video] == [125_000, 312_500, 500_000, 687_500]
    assert [r.args.kbps for r in video][1:] == [500, 500, 500]
    assert [r.args.loss for r in video] == [0, 0, round(4 / 124, 6), 0]
    assert video[0].args.fps == 30
    assert [r.args.loss for r in of(history, "7-1/out-2", "pub.quality")] == [None] * 4


def test_api_calls_are_kept_as_probes_and_what_a_page_asked_of_its_devices_too(tmp_path: Path) -> None:
    history = history_of_dump(tmp_path, CURRENT)
    probes = [r for r in history if r.kind == "probe"]
    assert [r.name for r in probes][:3] == ["getUserMedia", "createOffer", "setLocalDescription"]
    assert {r.client for r in history} == {"page-4012#1"}
    assert all("secret" not in r.room for r in history)
    assert {r.room for r in history if r.kind == "cb"} == {"meet.example/room-7#4012"}


def test_a_page_is_taken_to_be_in_a_room_of_its_own_and_that_is_marked_as_assumed(tmp_path: Path) -> None:
    history = history_of_dump(tmp_path, CURRENT)
    records = [r for r in history if r.kind != "probe"]
    assert [(r.name, round(r.t - BEGIN, 3), r.epoch) for r in records[:5]] == [
        ("login", 0, 0), ("room.state", 0, 1), ("room.state", 0, 1), ("login", 0, 1), ("play", 0, 1),
    ]  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_bytes().splitlines()]
    assert [row["name"] for row in rows if "native" in row] == ["login", "room.state", "room.state", "login"]


def test_local_times_without_a_zone_are_set_by_the_statistics_which_have_one(tmp_path: Path) -> None:
    history = history_of_dump(tmp_path, (DUMPS / "older.json").read_bytes())
    assert states(history, "20-3/in-111") == [(0, "REQ", 0), (2, "LIVE", 0), (13, "IDLE", 0)]
    assert history.header["epsilon_us"] == 1_000_000


def test_a_stream_that_is_added_to_a_running_connection_begins_with_its_statistics(tmp_path: Path) -> None:
    def late(connection: dict[str, Any]) -> None:
        for key, series in connection["stats"].items():
            if key.startswith("IT01V111"):
                series["startTime"] = "2026-11-24T10:20:07.000Z"  # 7 s in, 6.4 after `connected`
                series["values"] = json.dumps(json.loads(series["values"])[:6])

    history = history_of_dump(tmp_path, changed(late))
    assert states(history, "7-1/in-1")[:3] == [(7, "REQ", 0), (7, "LIVE", 0), (8, "REQ", 1004020)]


def test_a_connection_that_failed_ends_its_streams_and_an_ice_restart_asks_for_them_again(tmp_path: Path) -> None:
    def fail(connection: dict[str, Any]) -> None:
        connection["updateLog"][5]["value"] = "failed"

    history = history_of_dump(tmp_path, changed(fail))
    assert states(history, "7-1/in-1")[1:5] == [
        (0.6, "LIVE", 0), (8, "IDLE", 1004020), (9.5, "REQ", 0), (9.5, "LIVE", 0),
    ]  # fmt: skip
    assert [r.name for r in history if r.kind == "call" and "7-1/in-1" in str(r.args)] == ["play", "play", "unplay"]


def test_a_first_frame_that_the_buffer_of_samples_no_longer_holds_is_not_invented(tmp_path: Path) -> None:
    def long(connection: dict[str, Any]) -> None:
        stats = connection["stats"]
        stats["IT01V111-framesDecoded"]["values"] = json.dumps(list(range(5, 5 + FULL_BUFFER)))

    history = history_of_dump(tmp_path, changed(long))
    assert "rendered" not in [r.args.stage for r in history if r.name == "play.first"]


def test_samples_have_their_reports_own_times_where_the_dump_has_them_and_values_may_be_lists(tmp_path: Path) -> None:
    def stamped(connection: dict[str, Any]) -> None:
        stats = connection["stats"]
        for series in stats.values():
            series["values"] = json.loads(series["values"])
        stamps = [(BEGIN + 1.25 + at) * 1000 for at in range(12)]
        stats["IT01V111-timestamp"] = {**stats["IT01V111-kind"], "values": stamps}

    history = history_of_dump(tmp_path, changed(stamped))
    (first,) = [r for r in history if r.name == "play.first" and r.args.stage == "rendered"]
    assert first.t == BEGIN + 3.25


def test_the_layers_of_a_simulcast_are_one_stream(tmp_path: Path) -> None:
    def layered(connection: dict[str, Any]) -> None:
        for key, series in list(connection["stats"].items()):
            if key.startswith("OT01V333"):
                connection["stats"][key.replace("333", "334")] = series

    history = history_of_dump(tmp_path, changed(layered))
    quality = of(history, "7-1/out-2", "pub.quality")
    assert [r.args.bytes for r in quality] == [240_000, 600_000, 960_000, 1_320_000]
    assert quality[0].args.fps == 30


def test_a_packed_dump_is_read(tmp_path: Path) -> None:
    packed = gzip.compress((DUMPS / "current.json").read_bytes())
    assert list(history_of_dump(tmp_path, packed, "dump.gz"))
    with pytest.raises(LogError, match="cannot be read"):
        history_of_dump(tmp_path, packed[:300], "cut.gz")


def test_two_pages_are_two_clients(tmp_path: Path) -> None:
    dump = copy.deepcopy(CURRENT)
    dump["PeerConnections"]["9-1"] = copy.deepcopy(dump["PeerConnections"]["7-1"]) | {"pid": 9}
    assert {r.client for r in history_of_dump(tmp_path, dump)} == {"page-4012#1", "page-9#1"}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "1: is not JSON"),
        (b'{"PeerConnections"\n', "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "has no PeerConnections"),
        (b'{"PeerConnections": []}', "has no PeerConnections"),
        (b'{"PeerConnections": {}}', "hold no update and no stream"),
        (b'{"PeerConnections": {"1-1": 5}}', "PeerConnections.1-1: has no list updateLog"),
        (b'{"PeerConnections": {"1\\n-1": {"updateLog": [5]}}}', "has no list updateLog"),
        (b'{"PeerConnections": {"1-1": {"updateLog": [{"time": "noon"}]}}}', "updateLog[0]: time is noon; allowed"),
        (b"RTCStatsDump\n{}", "is a dump in the rtcstats format"),
        (b"\xff\xfe\x00", "is not JSON"),
    ],
)
def test_what_is_no_dump_is_one_sentence_and_leaves_nothing(tmp_path: Path, content: bytes, says: str) -> None:
    with pytest.raises(LogError) as caught:
        history_of_dump(tmp_path, content)
    assert says in str(caught.value)
    assert str(caught.value).isprintable()
    assert [path.name for path in tmp_path.iterdir()] == ["dump.json"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-01-31T12:30:00.500Z", 1769862600.5),
        (1769862600500, 1769862600.5),
        ("1769862600500.25", 1769862600.50025),
        ("1/31/2026, 12:30:00 PM", 1769862600),
        ("1/31/2026, 12:30:00\u202fPM", 1769862600),
        ("1/31/2026, 12:00:00 AM", 1769817600),
        ("31.1.2026, 12:30:00", 1769862600),
        ("31/01/2026, 12:30:00", 1769862600),
        ("2026-01-31 12:30:00.250", 1769862600.25),
        ("13/31/2026, 1:00:00 PM", None),
        ("soon", None),
        ("", None),
        (None, None),
        (True, None),
        (1e300, None),
        (float("nan"), None),
    ],
)
def test_times_are_read_as_chrome_writes_them(value: Any, expected: float | None) -> None:
    assert update_seconds(value, 0) == (pytest.approx(expected) if expected is not None else None)


def test_the_zone_of_local_times_is_a_multiple_of_a_quarter_hour() -> None:
    assert zone_of("1/31/2026, 12:30:00 PM", 1769862600 + 5.5 * 3600 + 20) == 5.5 * 3600
    assert zone_of("2026-01-31T12:30:00Z", 1769862600 + 3600) == 0
    assert zone_of("1/31/2026, 12:30:00 PM", None) == 0


odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("[1,2]"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=150)
@given(odd, st.integers(0, 5), st.sampled_from(["values", "startTime", "endTime", "statsType"]), st.data())
def test_any_value_anywhere_in_a_dump_gives_a_valid_trace_or_one_sentence(
    tmp_path_factory: pytest.TempPathFactory, value: Any, update: int, key: str, data: st.DataObject
) -> None:
    dump = copy.deepcopy(CURRENT)
    connection = dump["PeerConnections"]["7-1"]
    report = data.draw(st.sampled_from(sorted(connection["stats"])))
    place = data.draw(st.sampled_from(["stats", "report", "series", "update", "time", "connection", "pid", "requests"]))
    if place == "stats":
        connection["stats"] = value
    elif place == "report":
        connection["stats"][report] = value
    elif place == "series":
        connection["stats"][report][key] = value
    elif place == "update":
        connection["updateLog"][update]["value"] = value
    elif place == "time":
        connection["updateLog"][update]["time"] = value
    elif place == "connection":
        dump["PeerConnections"]["7-2"] = value
    elif place == "pid":
        connection["pid"] = connection["url"] = value
    else:
        dump["getUserMedia"] = [value]
    try:
        history = history_of_dump(tmp_path_factory.getbasetemp(), json.dumps(dump).encode())
    except LogError as error:
        assert str(error).isprintable()
        return
    assert list(history)
    assert [text for _, text in history.problems if "not a record" in text] == []
