"""Parametric scores of one subscription, second by second, from what is counted anyway: for every subscription.

* `audio_mos`: the E-model's opinion of the sound, from its delay and its lost frames (see `emodel`). The delay is that
  from capture to arrival: the buffer and the devices of a real receiver, which would come on top, are not known, and
  below 100 ms delay takes nothing. A second in which no sound came although the microphone is open scores 1.
* `video_delivery_score`: 100 x sqrt(shown) x (1 - frozen). shown: pictures rendered of those the publisher's frame rate
  has, to within a picture, which is all the edges of a second allow; the root, because half the pictures evenly spread
  are worth more than half. frozen: the part of the second in gaps of 200 ms and more. It looks at no picture: what
  coding costs it cannot see, and it is no opinion score.
* `av_arrival_offset_ms`: median delay of the sound less that of the picture, both from capture to arrival.
"""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from harness.measure.emodel import audio_opinion, burst_ratio
from harness.measure.freezes import GAP_200_US
from harness.measure.recorder import Recorder, Tags

if TYPE_CHECKING:
    from harness.measure.subscription import SubscriptionMeasure

LEAST_SPAN_US = 500_000  # what is left of a second at the end of a subscription is too short to be scored
DEAD_US = 1_000_000  # without a packet of sound that is due
LEAST_DELAYS = 3  # of frames, for a median


class SecondlyScores:
    """`look` is called about once a second. audio_bitrate, fps: of what is published, 0 where it is nothing."""

    def __init__(self, recorder: Recorder, tags: Tags, *, audio_bitrate: int, fps: int) -> None:
        self._recorder, self._tags = recorder, tags
        self._audio_bitrate, self._fps = audio_bitrate, fps
        self._looked_us: int | None = None
        self._sound = (0, 0, 0)  # captured, lost, bursts
        self._pictures = (0, 0)  # rendered, gap time
        self._watching = False

    def interrupt(self) -> None:
        """The camera was muted or opened: this second is not scored as a whole one."""
        self._watching = False

    def look(self, measure: SubscriptionMeasure, now_us: int, picture_ms: list[float], sound_ms: list[float]) -> None:
        """picture_ms, sound_ms: delays of the frames that came since the last look."""
        since_us, self._looked_us = self._looked_us, now_us
        span_us = now_us - since_us if since_us is not None else 0
        if self._audio_bitrate:
            self._look_at_sound(measure, now_us, span_us, sound_ms)
        if self._fps:
            self._look_at_pictures(measure, now_us, span_us)
        if len(picture_ms) >= LEAST_DELAYS <= len(sound_ms):
            offset = median(sound_ms) - median(picture_ms)
            self._recorder.trend("av_arrival_offset_ms", self._tags, offset)

    def _look_at_sound(self, measure: SubscriptionMeasure, now_us: int, span_us: int, sound_ms: list[float]) -> None:
        account = measure.audio
        before, self._sound = self._sound, (account.captured, account.lost, account.bursts)
        captured, lost, bursts = (new - old for new, old in zip(self._sound, before, strict=True))
        if span_us < LEAST_SPAN_US:
            return
        if sound_ms:
            share = min(1.0, max(0, lost) / captured) if captured > 0 else 0.0
            burst = burst_ratio(lost, bursts, share)
            score = audio_opinion(median(sound_ms), share, self._audio_bitrate, burst)
            self._recorder.trend("audio_mos", self._tags, score)
        elif measure.sound_missing_us(now_us) >= DEAD_US:
            self._recorder.trend("audio_mos", self._tags, 1.0)

    def _look_at_pictures(self, measure: SubscriptionMeasure, now_us: int, span_us: int) -> None:
        freezes = measure.freezes
        open_us = freezes.silent_us(now_us)
        gaps_us = freezes.gap200_us + (open_us if open_us >= GAP_200_US else 0)
        (rendered, gaps_before), self._pictures = self._pictures, (measure.rendered_frames, gaps_us)
        watched, self._watching = self._watching, freezes.awaiting
        if not watched or not self._watching or span_us < LEAST_SPAN_US:
            return
        due = self._fps * span_us / 1_000_000
        shown = min(1.0, (measure.rendered_frames - rendered + 1) / due)
        frozen = min(1.0, max(0, gaps_us - gaps_before) / span_us)
        score = 100 * math.sqrt(shown) * (1 - frozen) if frozen < 1 else 0.0
        self._recorder.trend("video_delivery_score", self._tags, score)
