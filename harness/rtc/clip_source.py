"""Plays a shared pre-encoded clip into an outgoing stream, one user's stamps on it.

The clip's fragments are shared by all users of the process; only the stamp, the VP8 picture id and the RTP header are
a user's own. The frame clock is strict: capture time = start + n / fps, whether or not the loop is late. A source may
hold its frames back: each is then sent `delay_us` after it was captured.
"""

from __future__ import annotations

import random
from typing import Protocol

from harness.rtc.outbound import OutboundStream
from synthetic_media.clip import AudioClip, VideoClip
from synthetic_media.packetize import frame_payloads, opus_payload
from synthetic_media.stamp import pack_stamp

KEY_JUMP_INTERVAL_US = 300_000  # requests closer together than this are answered by one key frame
AUDIO_FRAME_US = 20_000


class VideoSource:
    """Frames of a video clip on a strict frame clock, starting at one of its key frames."""

    def __init__(
        self,
        clip: VideoClip,
        stream: OutboundStream,
        *,
        publisher: int,
        stamp_stream: int,
        start: int,
        delay_us: int = 0,
    ) -> None:
        self._delay_us = delay_us
        self._clip = clip
        self._stream = stream
        self._publisher, self._stamp_stream = publisher, stamp_stream
        self._position = clip.key_positions[start % len(clip.key_positions)]
        self._number = 0
        self._picture_id = random.randrange(1 << 15)
        self._timestamp = random.randrange(1 << 31)
        self._first_due_us: int | None = None
        self._jumped_us = -KEY_JUMP_INTERVAL_US
        self.muted = False
        self.framesSkipped = 0

    @property
    def frame_number(self) -> int:
        """Number of the next frame to be captured."""
        return self._number

    def _due_after(self, due_us: int, frames: int) -> int:
        """The due time of the frame `frames` later, free of accumulated rounding."""
        if self._first_due_us is None:
            self._first_due_us = due_us - self._number * 1_000_000 // self._clip.spec.fps
        return self._first_due_us + (self._number + frames) * 1_000_000 // self._clip.spec.fps

    def send_frame(self, due_us: int) -> int:
        following = self._due_after(due_us, 1)
        stream, clip = self._stream, self._clip
        if not self.muted:
            if stream.wants_key_frame and due_us - self._jumped_us >= KEY_JUMP_INTERVAL_US:
                stream.wants_key_frame = False
                self._jumped_us = due_us
                if not clip.frames[self._position].key:
                    self._position = clip.next_key(self._position)
            frame = clip.frames[self._position]
            captured_us = due_us - self._delay_us
            stamp = pack_stamp(self._publisher, self._stamp_stream, self._number, self._position, captured_us)
            payloads = frame_payloads(clip.spec.codec, frame, self._picture_id, stamp)
            stream.send(payloads, self._timestamp + self._number * 90_000 // clip.spec.fps, marker=True, key=frame.key)
            self._picture_id = (self._picture_id + 1) & 0x7FFF
            self._position = (self._position + 1) % len(clip.frames)
        self._number += 1
        return following

    def skip_to(self, now_us: int, due_us: int) -> int:
        """Skip frame numbers up to now; the next frame sent is a key frame, since the chain is broken."""
        skipped = (now_us - due_us) * self._clip.spec.fps // 1_000_000 + 1
        following = self._due_after(due_us, skipped)
        self.framesSkipped += skipped
        self._number += skipped
        self._stream.wants_key_frame = True
        return following

    def unmute(self) -> None:
        self.muted = False
        self._stream.wants_key_frame = True


class AudioSource:
    """Opus packets of a speech clip, one each 20 ms, with their audio level (RFC 6464)."""

    def __init__(
        self,
        clip: AudioClip,
        stream: OutboundStream,
        *,
        publisher: int,
        stamp_stream: int,
        start: int,
        delay_us: int = 0,
    ) -> None:
        self._delay_us = delay_us
        self._clip = clip
        self._stream = stream
        self._publisher, self._stamp_stream = publisher, stamp_stream
        self._position = start % len(clip.packets)
        self._number = 0
        self._timestamp = random.randrange(1 << 31)
        self.muted = False
        self.framesSkipped = 0

    def send_frame(self, due_us: int) -> int:
        clip = self._clip
        if not self.muted:
            captured_us = due_us - self._delay_us
            stamp = pack_stamp(self._publisher, self._stamp_stream, self._number, self._position, captured_us)
            payload = opus_payload(clip.packets[self._position], stamp)
            level = clip.levels[self._position]
            self._stream.send((payload,), self._timestamp + self._number * 960, marker=False, level=level)
        self._position = (self._position + 1) % len(clip.packets)
        self._number += 1
        return due_us + AUDIO_FRAME_US

    def skip_to(self, now_us: int, due_us: int) -> int:
        skipped = (now_us - due_us) // AUDIO_FRAME_US + 1
        self.framesSkipped += skipped
        self._number += skipped
        self._position = (self._position + skipped) % len(self._clip.packets)
        return due_us + skipped * AUDIO_FRAME_US

    def unmute(self) -> None:
        self.muted = False


class Mutable(Protocol):
    muted: bool

    def unmute(self) -> None: ...
