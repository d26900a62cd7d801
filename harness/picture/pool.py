"""The decoder pool: a few native threads that decode and judge the pictures of all decoded subscriptions."""

from __future__ import annotations

import os
import time
from _queue import SimpleQueue  # the native one: what `queue` offers may have become gevent's
from collections.abc import Callable
from typing import Any, Protocol

from gevent.monkey import get_original

from harness.measure.recorder import Recorder, Tags
from harness.picture.decoded_stream import DecodedStream
from harness.picture.gallery import Candidate, WorstPictures
from harness.picture.judge import PictureJudge

MOST_THREADS = 4
TURN = 4  # frames of one stream before another has its turn


class Decoded(Protocol):
    """What of one subscription is decoded. `work` runs on threads of the pool, never two at a time."""

    scheduled: bool
    ended: bool
    undecoded: int

    @property
    def waiting(self) -> int:
        """What was handed in and is not finished."""

    def work(self) -> bool:
        """Do a bit of it. False when there is nothing."""

    def collect(self, recorder: Recorder) -> dict[str, Any] | None:
        """On the media loop: tell what was found, as a row when there is news."""


class DecoderPool:
    """Shared by all of a process. Threads start with the first stream; `close` ends them.

    FFmpeg decodes without holding the interpreter, so the threads use other cores than the media loop does. A stream
    is in the hands of one thread at a time: its frames stay in order, on one decoder.
    """

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or min(MOST_THREADS, max(1, (os.cpu_count() or 1) - 1))
        self._ready: SimpleQueue[Decoded | None] = SimpleQueue()
        self._lock = get_original("_thread", "allocate_lock")()
        self._running = 0
        self._streams: list[Decoded] = []
        self._sounds: list[Decoded] = []
        self._worst = WorstPictures()
        self._cpu = [0.0] * self._threads
        self._undecoded_before = 0
        self._sleep = get_original("time", "sleep")

    def stream(
        self, tags: Tags, subscriber: str, publisher: str, fps: int, make_judge: Callable[[], PictureJudge], codec: str
    ) -> DecodedStream:
        """A subscription to decode. make_judge runs on a thread of the pool: it may load clip and table."""
        found = DecodedStream(tags, subscriber, publisher, fps, make_judge, codec, self._schedule, self._worst)
        self._streams.append(found)
        self._start()
        return found

    def sound(self, stream: Decoded) -> Callable[[Decoded], None]:
        """A subscription whose sound is decoded. Returns what it has to call, with itself, when there is work."""
        self._sounds.append(stream)
        self._start()
        return self._schedule

    def _start(self) -> None:
        while self._running < self._threads:
            get_original("_thread", "start_new_thread")(self._run, (self._running,))
            self._running += 1

    @property
    def cpu_seconds(self) -> float:
        """CPU time that the threads have taken so far."""
        return sum(self._cpu)

    def frames_undecoded(self) -> int:
        """Frames so far that were not decoded because the pool was behind."""
        return self._undecoded_before + sum(stream.undecoded for stream in (*self._streams, *self._sounds))

    @property
    def busy(self) -> bool:
        return any(stream.waiting for stream in (*self._streams, *self._sounds))

    def collect(self, recorder: Recorder) -> tuple[list[dict[str, Any]], list[Candidate]]:
        """Hand over what was found since the last time: (a row for each stream that has news, pictures kept)."""
        return self._collect(self._streams, recorder), self._worst.news()

    def collect_sound(self, recorder: Recorder) -> list[dict[str, Any]]:
        """The same for sound, of which there are only rows."""
        return self._collect(self._sounds, recorder)

    def _collect(self, streams: list[Decoded], recorder: Recorder) -> list[dict[str, Any]]:
        rows = []
        for stream in tuple(streams):
            over = stream.ended and not stream.waiting
            row = stream.collect(recorder)
            if row is not None:
                rows.append(row)
            if over:
                self._undecoded_before += stream.undecoded
                streams.remove(stream)
        return rows

    def drain(self, seconds: float) -> None:
        """Wait until all that was handed in is decoded, or so many seconds at the most. Blocks its caller."""
        until = time.monotonic() + seconds
        while self.busy and time.monotonic() < until:
            self._sleep(0.005)

    def close(self) -> None:
        for _ in range(self._running):
            self._ready.put(None)
        self._running = 0

    # -- threads -------------------------------------------------------------------------------------------------

    def _schedule(self, stream: Decoded) -> None:
        """A frame has been handed in, or is left over: the stream waits for a thread, once."""
        with self._lock:
            if stream.scheduled or not stream.waiting:
                return
            stream.scheduled = True
        self._ready.put(stream)

    def _run(self, number: int) -> None:
        while (stream := self._ready.get()) is not None:
            self._turn(stream)
            self._cpu[number] = time.thread_time()

    def _turn(self, stream: Decoded) -> None:
        for _ in range(TURN):
            if not stream.work():
                break
        with self._lock:
            stream.scheduled = False
        self._schedule(stream)
