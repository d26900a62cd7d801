"""One subscription whose sound is decoded: packets on their way to the pool, findings on their way back."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from harness.measure.freezes import GAP_200_US, FreezeDetector
from harness.measure.recorder import Recorder, Tags
from harness.rtc.inbound import StampFields
from harness.sound.decoder import OpusDecoder
from harness.sound.judge import FRAMES, Played, Second, SoundJudge
from harness.sound.playout import Arrived, Due, Playout
from harness.sound.sample import SampleKeeper

log = logging.getLogger(__name__)
MOST_BATCHES = 10  # seconds of sound that may wait for a thread; beyond that the pool is behind
DEAD_US = 1_000_000  # without a packet that is due: nothing is heard
LEAST_PICTURES = 3  # in a second, for a median
_REMEMBERED_PICTURES = 900  # 15 s at 60 fps


class HeardStream:
    """`hear`, `tick` and `collect` run on the media loop, `work` on a thread of the pool, never two at a time.

    make_judge: runs on a thread of the pool, as it may have to make the publisher's voice. keeper: keeps a sample for
    scores that need one. undecoded: frames left out because the pool was behind, which says something of the generator.
    """

    def __init__(
        self,
        tags: Tags,
        subscriber: str,
        publisher: str,
        make_judge: Callable[[], SoundJudge],
        keeper: SampleKeeper | None = None,
    ) -> None:
        self.tags, self.subscriber, self.publisher = tags, subscriber, publisher
        self.keeper = keeper
        self.schedule: Callable[[HeardStream], None] = lambda stream: None  # the pool's, once it has the stream
        self.scheduled = self.ended = False
        self.undecoded = 0
        self._make_judge = make_judge
        self._judge: SoundJudge | None = None
        self._playout = Playout()
        self._decoder = OpusDecoder()
        self._gaps = FreezeDetector()
        self._pending: deque[list[Due]] = deque()
        self._seconds: deque[tuple[Second, float | None]] = deque()
        self._pictures: deque[tuple[int, float]] = deque(maxlen=_REMEMBERED_PICTURES)
        self._frames: list[Played] = []  # of the second that is not yet whole
        self._played = self._concealed = 0
        self._missing_us = 0
        self._missing = False
        self._ticked_us = 0
        self._told: dict[str, float] = {}
        self._failed = False

    # -- on the media loop ---------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Batches handed in and not finished."""
        return len(self._pending)

    def hear(self, sequence: int, timestamp: int, payload: bytes, stamp: StampFields | str, arrival_us: int) -> None:
        """A packet of sound has come. See rtc.inbound.InboundAudio."""
        self._playout.push(Arrived(sequence, timestamp, payload, stamp, arrival_us))

    def interrupt(self) -> None:
        """The microphone was muted or opened: the silence is the publisher's own."""
        self._gaps.interrupt()

    def tick(self, now_us: int, missing_us: int) -> None:
        """About once a second: hand over what can be played by now.

        missing_us: for how long no packet of sound has come although the picture flows and the microphone is open.
        """
        self._count_missing(now_us, missing_us)
        due = self._playout.take(now_us)
        for frame in due:
            if frame.payload is not None:
                self._gaps.frame(frame.heard_us)
        if not due:
            return
        if len(self._pending) >= MOST_BATCHES:
            self.undecoded += len(due)
            return
        self._pending.append(due)
        self.schedule(self)

    def _count_missing(self, now_us: int, missing_us: int) -> None:
        before, self._ticked_us = self._ticked_us, now_us
        was_missing, self._missing = self._missing, missing_us >= DEAD_US
        if self._missing:
            self._missing_us += now_us - before if was_missing else missing_us

    def collect(self, recorder: Recorder) -> dict[str, Any] | None:
        """Give the recorder what was found since the last time; a row of sums for the report, None without news."""
        found = [self._seconds.popleft() for _ in range(len(self._seconds))]
        totals = self._totals()
        counts = {name: total - self._told.get(name, 0) for name, total in totals.items()}
        self._told = totals
        for name, amount in _counted(found, counts.pop("soundMissingSeconds")).items():
            counts[name] = amount
        counts = {name: amount for name, amount in counts.items() if amount}
        if not counts:
            return None
        for name, amount in counts.items():
            recorder.count(name, self.tags, amount)
        samples = {
            "sound_level_dbfs": [second.level for second, _ in found],
            "sound_delay_ms": [second.delay_ms for second, _ in found if second.delay_ms is not None],
            "av_offset_ms": [offset for _, offset in found if offset is not None],
        }
        for name, sampled in samples.items():
            recorder.samples(name, self.tags).extend(sampled)
        users = Counter(second.user for second, _ in found if second.speaker == "other")
        likeness = [second.likeness for second, _ in found if second.speaker == "own"]
        values: dict[str, list[float]] = {**samples, "likeness": likeness}
        return {
            "subscriber": self.subscriber,
            "publisher": self.publisher,
            "counts": counts,
            "values": {name: [round(value, 3) for value in of] for name, of in values.items() if of},
            "heard_instead": dict(users),
        }

    def _totals(self) -> dict[str, float]:
        """What only grows, but for an open gap that turns out to be none."""
        gaps, open_us = self._gaps, self._gaps.silent_us(self._ticked_us)
        gap_us = gaps.gap200_us + (open_us if open_us >= GAP_200_US else 0)
        return {
            "soundFrames": self._played,
            "soundConcealed": self._concealed,
            "soundLate": self._playout.late,
            "soundUndecoded": self.undecoded,
            "soundMissingSeconds": self._missing_us / 1_000_000,
            "soundHeardSeconds": (gaps.watched_us + open_us) / 1_000_000,
            "soundGapSeconds": gap_us / 1_000_000,
        }

    # -- on threads of the pool ----------------------------------------------------------------------------------

    def shown(self, at_us: int, captured_us: int) -> None:
        """A decoded picture of the same publisher is what its stamp says, and could be shown at that time."""
        self._pictures.append((at_us, (at_us - captured_us) / 1000))

    def work(self) -> bool:
        """Decode and judge one batch. False when there is none."""
        if not self._pending:
            return False
        try:
            judge = self._ready_judge()
            for due in self._pending[0]:
                self._play(due, judge)
        except Exception:  # a fault of ours: never the service's, and no reason to end the thread all others wait for
            if not self._failed:
                log.exception("the sound of %s cannot be judged for %s", self.publisher, self.subscriber)
            self._failed = True
            self.undecoded += len(self._pending[0])
        finally:
            self._pending.popleft()  # only now: what is being decoded counts as waiting
        return True

    def _ready_judge(self) -> SoundJudge:
        if self._judge is None:
            if self._failed:
                raise RuntimeError("there is no reference")
            self._judge = self._make_judge()
        return self._judge

    def _play(self, due: Due, judge: SoundJudge) -> None:
        if due.fresh:
            self._frames.clear()
            if self.keeper is not None:
                self.keeper.interrupt()
        samples = self._decoder.conceal() if due.payload is None else self._decoder.decode(due.payload)
        self._played += 1
        self._concealed += due.payload is None
        self._frames.append(Played(samples, due.stamp, due.heard_us))
        if len(self._frames) == FRAMES:
            second = judge.look(self._frames)
            self._seconds.append((second, self._offset_ms(second)))
            if self.keeper is not None:
                self.keeper.second(np.concatenate([frame.samples for frame in self._frames]), second)
            self._frames.clear()

    def _offset_ms(self, second: Second) -> float | None:
        """Delay of the sound less that of the pictures shown in the same second."""
        if second.delay_ms is None:
            return None
        delays = [delay for at_us, delay in tuple(self._pictures) if second.begun_us <= at_us <= second.ended_us]
        return second.delay_ms - median(delays) if len(delays) >= LEAST_PICTURES else None


def _counted(found: list[tuple[Second, float | None]], missing: float) -> dict[str, float]:
    """Sums over some seconds of sound, and over those (missing) in which none came: a voice never rests that long."""
    seconds = [second for second, _ in found]
    judged = [second for second in seconds if second.speaker in ("own", "other", "nobody")]
    return {
        "soundSeconds": len(seconds),
        "soundQuietSeconds": sum(second.speaker == "quiet" for second in seconds),
        "soundUnsureSeconds": sum(second.speaker == "unsure" for second in seconds),
        "soundJudgedSeconds": len(judged),
        "soundWrongSeconds": sum(second.speaker != "own" for second in judged),
        "soundSpokenSeconds": sum(second.spoken for second in seconds) + missing,
        "soundSilentSeconds": sum(second.silent for second in seconds) + missing,
        "soundActiveFrames": sum(second.active for second in seconds),
        "soundJudgedFrames": FRAMES * len(seconds),
    }
