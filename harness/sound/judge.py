"""What a second of decoded sound is: how loud, whose voice, how late; whether it is silent and should not be."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median
from typing import Literal, NamedTuple

import numpy as np

from harness.rtc.inbound import StampFields
from harness.sound.decoder import FRAME, LOOK_AHEAD, Samples
from harness.sound.voice import DECIMATION, RATE, SURE, Place, narrow, voice

FRAMES = 50  # of 20 ms, in a second
QUIET_DBFS = -45.0  # below this a second says nothing of whose it is, and a frame is no speech
SPOKEN_DBFS = -40.0  # what the clip has to have where silence is a fault
MOST_CONCEALED = 0.05  # of a second that proves a stranger only because it is not the publisher
MOST_OTHERS = 16  # voices tried in one second
_LEAST_POWER = 1e-12  # -120 dBFS stands for digital silence

Speaker = Literal["own", "other", "nobody", "unsure", "quiet"]


class Played(NamedTuple):
    """20 ms as they were played. samples: 48 kHz, mono. stamp: of the packet, None when it was concealed."""

    samples: Samples
    stamp: StampFields | str | None
    heard_us: int


class Candidate(NamedTuple):
    """Somebody whose voice it might be. clip: seed and seconds of the speech clip."""

    user: str
    stamp_id: int
    clip: tuple[int, float]


@dataclass(frozen=True, slots=True)
class Second:
    """One second of sound.

    begun_us, ended_us: when its first and last frame were heard. level: RMS in dBFS, a full-scale square wave being 0.
    active: frames louder than QUIET_DBFS. speaker: `own` is the publisher; `other` one of the room, then `user` says
    who; `nobody` matches no voice; `unsure` is the same with much of it concealed; `quiet` is too soft to be looked
    at. likeness: of the best match. delay_ms: from capture to playout, None where it cannot be known. spoken: whether
    its place in the clip is loud. silent: soft although spoken.
    """

    begun_us: int
    ended_us: int
    level: float
    concealed: int
    active: int
    speaker: Speaker
    user: str
    likeness: float
    delay_ms: float | None
    spoken: bool
    silent: bool
    position: float | None


class SoundJudge:
    """Of one subscription. own: the publisher; others: those of its room who publish sound as well."""

    def __init__(self, own: Candidate, others: Iterable[Candidate]) -> None:
        self._stamp_id = own.stamp_id
        self._voice = voice(*own.clip)
        self._others = list(others)
        self._turn = 0
        self._always_spoken = self._voice.quietest() >= SPOKEN_DBFS

    def look(self, frames: list[Played]) -> Second:
        """Judge FRAMES frames that were played one after the other."""
        samples = np.concatenate([frame.samples for frame in frames])
        level = decibels(float(np.mean(np.square(samples, dtype=np.float64))))
        active = sum(decibels(float(np.mean(np.square(frame.samples)))) >= QUIET_DBFS for frame in frames)
        expected = self._expected(frames)
        spoken = self._always_spoken if expected is None else self._voice.level(expected) >= SPOKEN_DBFS
        speaker, user, place = self._speaker(samples, level, expected, frames)
        return Second(
            begun_us=frames[0].heard_us,
            ended_us=frames[-1].heard_us,
            level=level,
            concealed=sum(frame.stamp is None for frame in frames),
            active=active,
            speaker=speaker,
            user=user,
            likeness=place.likeness,
            delay_ms=self._delay_ms(frames, place, expected) if speaker == "own" else None,
            spoken=spoken,
            silent=spoken and level < QUIET_DBFS,
            position=place.position if speaker == "own" else None,
        )

    def _expected(self, frames: list[Played]) -> float | None:
        """Where in the publisher's clip the second begins by its stamps, in samples at RATE."""
        for index, frame in enumerate(frames):
            if isinstance(frame.stamp, tuple) and frame.stamp[0] == frame.stamp[1] == self._stamp_id:
                return ((frame.stamp[3] - index) * FRAME - LOOK_AHEAD) / DECIMATION % self._voice.length
        return None

    def _speaker(
        self, samples: Samples, level: float, expected: float | None, frames: list[Played]
    ) -> tuple[Speaker, str, Place]:
        if level < QUIET_DBFS:
            return "quiet", "", Place(0.0, 0.0)
        window = narrow(samples)[:RATE]
        place = self._voice.near(window, expected) if expected is not None else Place(0.0, 0.0)
        if place.likeness < SURE:
            place = max(place, self._voice.anywhere(window), key=_likeness)
        if place.likeness >= SURE:
            return "own", "", place
        for other in self._suspects(frames):
            found = voice(*other.clip).anywhere(window)
            if found.likeness >= SURE:
                return "other", other.user, found
        concealed = sum(frame.stamp is None for frame in frames) / len(frames)
        return ("unsure" if concealed > MOST_CONCEALED else "nobody"), "", place

    def _suspects(self, frames: list[Played]) -> list[Candidate]:
        """Some of the others: first whom the stamps name, then the next in turn."""
        named = {frame.stamp[0] for frame in frames if isinstance(frame.stamp, tuple)}
        count = len(self._others)
        turned = [self._others[(self._turn + i) % count] for i in range(min(count, MOST_OTHERS))]
        self._turn += MOST_OTHERS
        first = [other for other in self._others if other.stamp_id in named]
        return [*first, *(other for other in turned if other not in first)]

    def _delay_ms(self, frames: list[Played], place: Place, expected: float | None) -> float | None:
        """When it was heard less when it was captured: what the stamps say, put right by where in the clip the sound
        really is. The encoder's look-ahead is not counted, as no capture time knows of it."""
        if expected is None:
            return None
        apart = [
            frame.heard_us - frame.stamp[4]
            for frame in frames
            if isinstance(frame.stamp, tuple) and frame.stamp[0] == self._stamp_id
        ]
        half = self._voice.length / 2
        ahead = (place.position - expected + half) % self._voice.length - half
        return median(apart) / 1000 - ahead / RATE * 1000


def decibels(power: float) -> float:
    """Mean square of samples of -1..1 in dB below a full-scale square wave."""
    return 10 * math.log10(max(power, _LEAST_POWER))


def _likeness(place: Place) -> float:
    return place.likeness
