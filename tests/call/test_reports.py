"""First frames told once and in order, quality at its period while a stream is live: on virtual time, in the trace."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import Driver, Trace, VirtualLoop, run

from harness.call import CallEngine, EventHandler, MediaState, RoomStateReason, User
from harness.call.callbacks import PlayerStateUpdated, PublisherStateUpdated, RoomStateUpdated
from harness.call.driver import OnFirst
from harness.call.periodic import PeriodicWork
from harness.call.quality import MediaFigures, Meter, Periods, level

seconds, trips = st.floats(0, 5), st.none() | st.floats(0, 5000)
STEADY = MediaFigures(frames=25, bytes=12_500, packets=50, lost=0, rtt_ms=20.0)  # a second's worth


class Media:
    """A source and a sink whose counters grow with the loop's time."""

    kinds = {"video": "vp8"}  # noqa: RUF012

    def __init__(self, **figures: Any) -> None:
        self.rate = {**{name: getattr(STEADY, name) for name in ("frames", "bytes", "packets", "lost")}, **figures}
        self.rtt_ms: float | None = 20.0
        self.begun = 0.0
        self.on_first: OnFirst
        self.listened = 0

    def listen(self, on_first: OnFirst) -> None:
        self.on_first = on_first
        self.listened += 1

    def quality(self) -> MediaFigures:
        counters = {name: int(max(0.0, now() - self.begun) * rate) for name, rate in self.rate.items()}
        return MediaFigures(**counters, rtt_ms=self.rtt_ms)  # type: ignore[arg-type]


def now() -> float:
    return asyncio.get_running_loop().time()


class Clock(Trace):
    """A trace whose clock is the loop's, from 0."""

    def now(self) -> float:
        return now() - 1000.0

    def of(self, name: str) -> list[tuple[float, dict[str, Any]]]:
        return [(round(r["t"], 3), r["args"]) for r in self.records if r["name"] == name]

    def times(self, name: str) -> list[float]:
        return [t for t, _ in self.of(name)]


class Stage:
    """An engine in one room, and the words of its driver."""

    def __init__(self, **periods: float) -> None:
        self.driver, self.trace = Driver(), Clock()
        self.engine = CallEngine(
            lambda: self.driver,
            client="alice#1",
            trace=self.trace,
            periods=Periods(**periods),
        )

    def room(self, reason: str) -> None:
        self.driver.emit(RoomStateUpdated("room", RoomStateReason(reason)), 0, None)

    def publisher(self, state: MediaState, stream: str = "s", code: int = 0) -> None:
        self.driver.emit(PublisherStateUpdated("room", stream, state, code), 0, None)

    def player(self, state: MediaState, stream: str = "p") -> None:
        self.driver.emit(PlayerStateUpdated("room", stream, state), 0, None)

    async def enter(self) -> None:
        await self.engine.login_room("room", User("alice"))
        self.room("LOGGING_IN")
        self.room("IN")

    async def publish(self, media: Any, *, live: bool = True) -> None:
        async def requested() -> None:
            self.publisher(MediaState.REQUESTING)

        self.driver.does["publish"] = requested
        await self.engine.start_publishing_stream("s", media)
        if live:
            self.publisher(MediaState.LIVE)

    async def play(self, media: Any, stream: str = "p") -> None:
        async def requested() -> None:
            self.player(MediaState.REQUESTING, stream)

        self.driver.does["play"] = requested
        await self.engine.start_playing_stream(stream, media)


def play_scene(scene: Callable[[Stage], Any], **periods: float) -> Stage:
    stage = Stage(**periods)

    async def whole() -> None:
        await stage.enter()
        await scene(stage)

    run(whole())
    return stage


# -- first frames -----------------------------------------------------------------------------------------------------


def test_first_frames_are_told_once_per_session_whatever_the_media_says() -> None:
    media = Media()

    async def scene(stage: Stage) -> None:
        await stage.publish(media)
        await stage.play(media)
        for stages in (("received", "rendered"), ("received", "rendered")):
            for name in stages:
                media.on_first("video", name, 2_000_000)
                media.on_first("audio", name, 2_000_000)

    stage = play_scene(scene)
    told = [(r["args"]["media"], r["args"]["stage"], r["t_wire"]) for r in stage.trace.records if "first" in r["name"]]
    assert told == [(m, s, 2.0) for s in ("received", "rendered") for m in ("video", "audio")]


def test_first_frames_belong_to_the_stream_and_come_after_its_request() -> None:
    source, sink = Media(), Media()

    async def scene(stage: Stage) -> None:
        await stage.publish(source, live=False)
        source.on_first("video", "captured", 0)
        source.on_first("video", "sent", 0)
        await stage.play(sink)
        sink.on_first("audio", "received", 5)

    stage = play_scene(scene)
    names = [(r["name"], r["args"].get("stream")) for r in stage.trace.records if r["kind"] == "cb"][2:]
    assert names == [
        ("pub.state", "s"),
        ("pub.first", "s"),
        ("pub.first", "s"),
        ("play.state", "p"),
        ("play.first", "p"),
    ]


def test_after_idle_no_first_frame_is_told_and_the_next_session_tells_its_own() -> None:
    media = Media()

    async def scene(stage: Stage) -> None:
        await stage.publish(media)
        media.on_first("video", "captured", 0)
        stage.publisher(MediaState.IDLE)
        media.on_first("video", "sent", 0)
        await stage.publish(media)
        media.on_first("video", "captured", 0)

    stage = play_scene(scene)
    assert [args["stage"] for _, args in stage.trace.of("pub.first")] == ["captured", "captured"]
    assert media.listened == 2


def test_a_recovery_is_no_new_session() -> None:
    media = Media()

    async def scene(stage: Stage) -> None:
        await stage.publish(media)
        media.on_first("video", "captured", 0)
        stage.publisher(MediaState.REQUESTING, code=1003020)
        media.on_first("video", "captured", 0)
        stage.publisher(MediaState.LIVE)
        await asyncio.sleep(4)

    stage = play_scene(scene)
    assert len(stage.trace.of("pub.first")) == media.listened == 1
    assert stage.trace.times("pub.quality") == [3.0], "in phase with the first time it was live"


def test_a_play_that_is_refused_for_what_is_played_leaves_the_first_one_reporting() -> None:
    first, second = Media(), Media()

    async def scene(stage: Stage) -> None:
        await stage.play(first)
        stage.driver.does["play"] = None
        await stage.engine.start_playing_stream("p", second)  # type: ignore[arg-type]
        first.on_first("video", "received", 1)

    assert len(play_scene(scene).trace.of("play.first")) == 1
    assert second.listened == 0


# -- quality ----------------------------------------------------------------------------------------------------------


def test_publish_and_play_quality_come_every_three_seconds_from_live_to_idle() -> None:
    async def scene(stage: Stage) -> None:
        await stage.publish(Media(), live=False)
        await stage.play(Media())
        await asyncio.sleep(5)
        stage.publisher(MediaState.LIVE)
        await asyncio.sleep(1)
        stage.player(MediaState.LIVE)
        await asyncio.sleep(7.5)
        stage.publisher(MediaState.IDLE)
        await asyncio.sleep(3)
        stage.player(MediaState.IDLE)
        await asyncio.sleep(10)

    stage = play_scene(scene)
    assert stage.trace.times("pub.quality") == [8.0, 11.0]
    assert stage.trace.times("play.quality") == [9.0, 12.0, 15.0]


def test_a_report_says_what_came_since_the_last_one_and_bytes_since_the_request() -> None:
    async def scene(stage: Stage) -> None:
        await stage.publish(Media(lost=5), live=False)
        await asyncio.sleep(1)
        stage.publisher(MediaState.LIVE)
        await asyncio.sleep(6.5)

    (_, first), (_, second) = play_scene(scene).trace.of("pub.quality")
    assert first == {
        "stream": "s",
        "fps": 25.0,
        "kbps": 100.0,
        "rtt": 20.0,
        "loss": pytest.approx(5 / 55, abs=1e-3),
        "level": 2,
        "bytes": 4 * 12_500,
    }
    assert (second["fps"], second["bytes"]) == (25.0, 7 * 12_500)


def test_the_rates_of_the_first_report_count_from_live_and_not_from_the_call() -> None:
    async def scene(stage: Stage) -> None:
        media = Media()
        media.begun = now() + 2
        await stage.publish(media, live=False)
        await asyncio.sleep(2)
        stage.publisher(MediaState.LIVE)
        await asyncio.sleep(3.5)

    assert [args["fps"] for _, args in play_scene(scene).trace.of("pub.quality")] == [25.0]


def test_nothing_is_kept_of_a_stream_that_was_played() -> None:
    sinks: list[weakref.ref[Media]] = []

    async def scene(stage: Stage) -> None:
        for stream in ("p", "q"):
            sink = Media()
            sinks.append(weakref.ref(sink))
            await stage.play(sink, stream)
            stage.player(MediaState.LIVE, stream)
            stage.player(MediaState.IDLE, stream)
        del sink
        stage.driver.called.clear()
        gc.collect()
        assert [sink() for sink in sinks] == [None, None]

    play_scene(scene)


def test_network_quality_comes_every_two_seconds_while_logged_in_and_not_while_reconnecting() -> None:
    async def scene(stage: Stage) -> None:
        await asyncio.sleep(5)
        stage.room("RECONNECTING")
        await asyncio.sleep(5)
        stage.room("REJOINED")
        await asyncio.sleep(3)
        stage.room("OUT")
        await asyncio.sleep(9)

    stage = play_scene(scene)
    assert stage.trace.times("net.quality") == [2.0, 4.0, 12.0]
    assert all(args == {"user": "alice", "up": 5, "down": 5} for _, args in stage.trace.of("net.quality"))


def test_network_levels_are_the_worst_of_what_is_sent_and_of_what_is_received() -> None:
    async def scene(stage: Stage) -> None:
        await stage.publish(Media())
        for stream, figures in (("p", {}), ("q", {"lost": 10}), ("muted", {"packets": 0})):
            await stage.play(Media(**figures), stream)
            stage.player(MediaState.LIVE, stream)
        await asyncio.sleep(2.5)

    assert [args for _, args in play_scene(scene).trace.of("net.quality")] == [{"user": "alice", "up": 0, "down": 3}]


@pytest.mark.parametrize("end", ["KICKED", "OUT", "RECONNECT_FAILED", "destroy"])
def test_after_the_end_no_report_of_any_kind_comes(end: str) -> None:
    async def scene(stage: Stage) -> None:
        await stage.publish(Media())
        await stage.play(Media())
        stage.player(MediaState.LIVE)
        await asyncio.sleep(4)
        if end == "destroy":
            await stage.engine.destroy()
        else:
            stage.room(end)
        await asyncio.sleep(10)

    trace = play_scene(scene).trace
    assert [trace.times(f"{name}.quality") for name in ("pub", "play", "net")] == [[3.0], [3.0], [2.0, 4.0]]


def test_a_handler_may_leave_from_within_a_report() -> None:
    async def scene(stage: Stage) -> None:
        class Leaving(EventHandler):
            def on_publisher_quality_update(self, update: Any) -> None:
                stage.publisher(MediaState.IDLE)
                stage.player(MediaState.IDLE)

        stage.engine.set_event_handler(Leaving())
        await stage.publish(Media())
        await stage.play(Media())
        stage.player(MediaState.LIVE)
        await asyncio.sleep(10)

    trace = play_scene(scene).trace
    assert (trace.times("pub.quality"), trace.times("play.quality")) == ([3.0], [])


def test_an_engine_with_many_streams_has_one_timer() -> None:
    loop = VirtualLoop()
    timers: list[int] = []

    async def scene() -> None:
        stage = Stage()
        await stage.enter()
        for number in range(50):
            await stage.play(Media(), f"p{number}")
            stage.player(MediaState.LIVE, f"p{number}")
            await asyncio.sleep(0.01)
        timers.append(sum(not handle.cancelled() for handle in loop._scheduled))  # type: ignore[attr-defined]
        await asyncio.sleep(4)
        assert len(stage.trace.of("play.quality")) == 50
        assert len(set(stage.trace.times("play.quality"))) == 50, "each in its own phase"

    try:
        loop.run_until_complete(scene())
    finally:
        loop.close()
    assert timers == [1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(("begin", "end", "wait")), seconds), max_size=20))
def test_periodic_work_comes_at_its_period_for_as_long_as_it_lasts(steps: list[tuple[str, str, float]]) -> None:
    done: dict[str, list[float]] = {key: [] for key in "abc"}
    expected: dict[str, list[float]] = {key: [] for key in "abc"}

    async def scene() -> None:
        loop, work = asyncio.get_running_loop(), PeriodicWork()
        since: dict[str, float] = {}

        def close(key: str) -> None:
            begun = since.pop(key, None)
            while begun is not None and begun + 2.0 <= loop.time():
                begun += 2.0
                expected[key].append(begun)

        for key, step, seconds in steps:
            if step == "wait":
                await asyncio.sleep(seconds)
            close_to_due = any(abs((loop.time() - at) % 2.0) < 1e-3 for at in since.values())
            if close_to_due:
                await asyncio.sleep(0.01)
            if step != "wait":
                close(key)
                work.end(key)
            if step == "begin":
                since[key] = loop.time()
                work.begin(key, 2.0, done[key].append)
        await asyncio.sleep(0.01)
        for key in "abc":
            close(key)
        work.close()

    run(scene())
    assert done == {key: pytest.approx(times) for key, times in expected.items()}


@pytest.mark.parametrize(
    ("loss", "rtt_ms", "expected"),
    [(0, None, 0), (0.019, 149, 0), (0.02, 0, 1), (0, 150, 1), (0.06, 0, 2), (0.0, 999, 3), (0.3, 0, 4), (1, 5000, 4)],
)
def test_a_level_is_the_worse_of_loss_and_round_trip(loss: float, rtt_ms: float | None, expected: int) -> None:
    assert level(loss, rtt_ms) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(*[st.integers(0, 1000)] * 3, st.integers(-50, 200), trips), max_size=8))
def test_readings_stay_in_their_ranges_and_bytes_never_fall(steps: list[tuple[int, int, int, int, Any]]) -> None:
    figures = MediaFigures()
    meter = Meter(lambda: figures, 0.0)
    total = 0
    for now, (frames, octets, packets, lost, rtt) in enumerate(steps, 1):
        figures = MediaFigures(
            figures.frames + frames,
            figures.bytes + octets,
            figures.packets + packets,
            max(0, figures.lost + lost),
            rtt,
        )
        assert 0 <= meter.level_now() <= 5
        reading = meter.read(float(now))
        assert 0 <= reading.loss <= 1
        assert reading.bytes >= total
        assert (reading.fps, reading.kbps) == (frames, round(octets / 125, 2))
        total = reading.bytes
