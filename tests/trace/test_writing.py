"""No record is lost: not for its content, not to a kill, not to another writer; and a full disk ends no call."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.call import CallEngine, User
from harness.call.callbacks import (
    Callback,
    MediaState,
    MessageReceived,
    PlayerStateUpdated,
    PublisherStateUpdated,
    RemoteDeviceUpdated,
    RoomExtraInfoUpdated,
    RoomStateReason,
    RoomStateUpdated,
    RoomStreamsUpdated,
    RoomUsersUpdated,
    Stream,
    StreamExtraInfoUpdated,
    TokenWillExpire,
    UpdateType,
)
from harness.trace.clock import RunClock
from harness.trace.history import open_history
from harness.trace.line import MAX_LINE_BYTES, trace_line
from harness.trace.record import parse_record
from harness.trace.writer import LOST, AppendingFile, TraceWriter, header

text = st.text(st.characters(exclude_categories=())) | st.sampled_from(["\ud800", "a\u2028b", "\x00\r\n", "😀"])
number = st.integers(-(2**70), 2**70)
user = st.builds(User, text, text)
stream = st.builds(Stream, text, user, text, number)
callbacks: st.SearchStrategy[Callback] = st.one_of(
    st.builds(RoomStateUpdated, text, st.sampled_from(RoomStateReason), number, text),
    st.builds(RoomUsersUpdated, text, st.sampled_from(UpdateType), st.tuples(user, user), st.none() | number),
    st.builds(RoomStreamsUpdated, text, st.sampled_from(UpdateType), st.tuples(stream), st.none() | number),
    st.builds(PublisherStateUpdated, text, text, st.sampled_from(MediaState), number),
    st.builds(PlayerStateUpdated, text, text, st.sampled_from(MediaState), number),
    st.builds(RemoteDeviceUpdated, text, text, text, text),
    st.builds(RoomExtraInfoUpdated, text, text, text, text, number),
    st.builds(StreamExtraInfoUpdated, text, st.tuples(stream)),
    st.builds(TokenWillExpire, text, number),
    st.builds(MessageReceived, text, text, text, text, st.booleans()),
)
native = st.recursive(
    st.none() | st.booleans() | number | st.floats() | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)


class Driver:
    """Says what it is told to; every call succeeds."""

    emit: Any

    def bind(self, emit: Any) -> None:
        self.emit = emit

    async def login(self, *_: Any, **__: Any) -> None:
        pass

    async def send_message(self, *_: Any, **__: Any) -> str:
        return "m1"


@settings(deadline=None, max_examples=200)
@given(callbacks, native, text, text)
def test_whatever_a_service_says_the_engine_writes_a_line_that_reads_back(
    callback: Callback, said: Any, room: str, name: str
) -> None:
    lines: list[bytes] = []
    driver = Driver()
    engine = CallEngine(lambda: driver, client="c#1", trace=TraceWriter(RunClock(), lines.append))  # type: ignore[arg-type]

    async def call() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("harness.call.identifiers.check_room_id", lambda _: None)
            patch.setattr("harness.call.identifiers.check_user_id", lambda _: None)
            patch.setattr("harness.call.identifiers.check_user_name", lambda _: None)
            patch.setattr("harness.call.identifiers.check_message", lambda _: None)
            await engine.login_room(room, User(name))
            await engine.send_message(name)
        driver.emit(callback, 5_000_000, said)

    asyncio.run(call())
    records = [parse_record(line, at) for at, line in enumerate(lines, 2)]
    assert [record.kind for record in records] == ["call", "ret", "call", "ret", "cb"]
    assert [record.seq for record in records] == [0, 1, 2, 3, 4]
    assert [record.op for record in records] == [1, 1, 2, 2, 0]
    assert records[-1].name == callback.event
    assert records[-1].epoch == (callback.fields().get("state") == "LOGGING_IN")
    assert all(line.isascii() and line.count(b"\n") == 1 for line in lines)


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError("in the middle of it")


def circle() -> dict[str, Any]:
    found: dict[str, Any] = {}
    found["self"] = found
    return found


def deep() -> list[Any]:
    found: list[Any] = []
    for _ in range(100_000):
        found = [found]
    return found


@pytest.mark.parametrize(
    "odd", [float("nan"), float("-inf"), "\udc00", {1: {2.5: None}}, {b"k": b"v"}, Unspeakable(), circle(), deep()],
    ids=["nan", "infinity", "surrogate", "number keys", "bytes", "unspeakable", "circle", "deep"],
)  # fmt: skip
def test_no_native_message_costs_the_record_it_came_with(odd: Any) -> None:
    record = {"kind": "cb", "name": "room.state", "t": 1.5, "args": {"state": "IN"}, "native": {"x": odd}}
    line = trace_line(record)
    parsed = parse_record(line, 2)
    assert (parsed.args.state, parsed.t) == ("IN", 1.5)
    assert "x" in json.loads(line)["native"]


def test_of_a_line_that_no_reader_would_take_the_native_message_goes_first_then_the_ends_of_long_texts() -> None:
    record = {"kind": "cb", "name": "msg", "t": 1, "args": {"id": "m", "body": "b" * 9}, "native": "n" * MAX_LINE_BYTES}
    found = json.loads(trace_line(record))
    assert found["native"] == {"omitted_bytes": MAX_LINE_BYTES + 2}
    assert found["args"]["body"] == "b" * 9
    record = {"kind": "cb", "name": "msg", "t": 1, "args": {"id": "m", "body": "é" * MAX_LINE_BYTES}}
    line = trace_line(record)
    assert len(line) < 10_000
    assert parse_record(line, 2).args.body == "é" * 1000


KILLED = """
import sys
from pathlib import Path
from harness.trace.clock import RunClock
from harness.trace.writer import AppendingFile, TraceWriter, header
clock = RunClock()
writer = TraceWriter(clock, AppendingFile(Path(sys.argv[1]), clock))
writer.write(header(scenario="s", seed=1, service="x", started_unix=0.0, clock=clock, started=clock.now()))
n = 0
while True:
    writer.write({"kind": "mark", "name": "m", "t": clock.now(), "client": "a#1", "seq": n, "text": "x" * (n % 3000)})
    print(n, flush=True)
    n += 1
"""


def test_a_process_that_is_killed_leaves_every_record_it_had_written(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(500):
        process.stdout.readline()
    process.send_signal(signal.SIGKILL)
    said = 500 + len(process.stdout.readlines())
    process.wait(10)
    history = open_history(path)
    seqs = [record.seq for record in history]
    assert seqs == list(range(len(seqs)))
    assert len(seqs) >= said - 1, "the last number may have been cut while it was printed"
    assert history.problems == []


def append(path: Path, name: str, count: int) -> None:
    clock = RunClock()
    writer = TraceWriter(clock, AppendingFile(path, clock))
    for n in range(count):
        size = 64 * 1024 - 200 if n % 3 == 0 else n % 700
        writer.write({"kind": "mark", "name": "m", "t": clock.now(), "client": name, "seq": n, "text": name * size})


def test_lines_of_up_to_64_kib_from_several_processes_never_mix(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b'{"format":"call-trace","version":1}\n')
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append, args=(path, name, 600)) for name in "ab"]
    for process in writers:
        process.start()
    for process in writers:
        process.join(60)
    history = open_history(path)
    records = list(history)
    assert history.problems == []
    for name in "ab":
        assert [record.seq for record in records if record.client == name] == list(range(600))
    lines = [json.loads(line) for line in path.read_bytes().splitlines()[1:]]
    assert all(set(line["text"]) <= {line["client"]} for line in lines)


FULL = """
import logging, resource, sys
from pathlib import Path
from harness.trace.clock import RunClock
from harness.trace.writer import AppendingFile, TraceWriter
logging.basicConfig(format="%(message)s")
clock = RunClock()
sink = AppendingFile(Path(sys.argv[1]), clock)
writer = TraceWriter(clock, sink)
def write(first, last):
    for n in range(first, last):
        writer.write({"kind": "mark", "name": "m", "t": clock.now(), "client": "a#1", "seq": n})
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
write(0, 50)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
if sys.argv[2] == "more":
    write(50, 60)
print(sink.lost)
sink.close()
"""


@pytest.mark.parametrize("then", ["more", "end"])
def test_a_full_disk_is_said_once_and_the_gap_is_marked_when_there_is_room_again(tmp_path: Path, then: str) -> None:
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b'{"format":"call-trace","version":1}\n')
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), then], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr.count("\n") == 1
    assert "the run goes on, its trace has a gap" in done.stderr
    history = open_history(path)
    records = list(history)
    lost = int(done.stdout)
    assert [record.seq for record in records if record.seq >= 0] == [
        *range(50 - lost), *(range(50, 60) if then == "more" else ())
    ]  # fmt: skip
    mark = next(record for record in records if record.name == LOST)
    assert json.loads(bytes(mark.raw)) == {"records": lost}
    torn, gap = history.problems
    assert "not a record" in torn[1]
    assert gap == (mark.line, f"records are missing before line {mark.line}: they could not be written")


def test_a_disk_that_is_full_for_good_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("needs /dev/full")
    with caplog.at_level(logging.ERROR):
        sink = AppendingFile(Path("/dev/full"), RunClock())
        for _ in range(5):
            sink(b"{}\n")
        sink.close()
    assert sink.lost == 5
    assert len(caplog.records) == 1
    assert "/dev/full: cannot be written (No space left on device)" in caplog.text


def test_writing_a_record_takes_a_loop_less_than_a_tenth_of_a_millisecond(tmp_path: Path) -> None:
    clock = RunClock()
    writer = TraceWriter(clock, AppendingFile(tmp_path / "t", clock))
    record = {
        "kind": "cb",
        "name": "play.state",
        "t": 1.5,
        "args": {"stream": "s", "state": "LIVE"},
        "native": {"a": 1},
    }
    best = 1.0
    for _ in range(20):
        begin = time.perf_counter()
        for _ in range(100):
            writer.write(record)
        best = min(best, (time.perf_counter() - begin) / 100)
    assert best < 100e-6


def test_the_header_is_one_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t"
    line = header(scenario="s", seed=1, service="x", started_unix=1.0, clock=RunClock(0, 9), started=2.0)
    TraceWriter(RunClock(), AppendingFile(path)).write(line)
    assert open_history(path).header == line
