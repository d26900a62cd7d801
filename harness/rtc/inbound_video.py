"""Incoming video: frames put together from packets, and the order in which a decoder could show them."""

from __future__ import annotations

from collections import deque

from harness.rtc.inbound import ABSENT, DAMAGED, GIVE_UP_US, InboundStream, Observer, StampFields
from synthetic_media.packetize import h264_starts_key, vp8_payload
from synthetic_media.stamp import StampDamaged, read_sei_stamp, unpack_stamp

KEY_FRAME_RETRY_US = 500_000
MOST_OPEN = 64  # frames some of whose packets have come; more is not reordering but rubbish


class _OpenFrame:
    """A frame some of whose packets have come."""

    __slots__ = ("completed_us", "count", "first", "key", "last", "lowest", "stamp")

    def __init__(self, sequence: int) -> None:
        self.first = self.last = -1
        self.lowest = sequence
        self.count = 0
        self.key = False
        self.completed_us = 0
        self.stamp: StampFields | str = ABSENT


class InboundVideo(InboundStream):
    """VP8 (RFC 7741) or H.264 (RFC 6184) frames, put together without copying a payload.

    A frame is complete when its first packet, its marker packet and all between have come; it is rendered when it is a
    key frame or follows the last rendered one without a gap. At depth `packets` only the first key frame is put
    together (it dates the first picture); afterwards marker bits are counted and nothing is decrypted.
    """

    kind = "video"
    __slots__ = (
        "_asked_key_us",
        "_counting_only",
        "_depth",
        "_ended",
        "_first_key_us",
        "_h264",
        "_last_rendered_us",
        "_next_rendered",
        "_open",
        "_padding",
        "_timestamp",
        "_waiting",
        "_waiting_since_us",
        "framesDropped",
        "framesReceived",
        "keyFramesReceived",
        "malformed",
    )

    def __init__(self, ssrc: int, observer: Observer, alerts: list[InboundStream], *, codec: str, depth: str) -> None:
        super().__init__(ssrc, 90_000, observer, alerts, nacks=True)
        self._depth = depth
        self._h264 = codec == "h264"
        self._open: dict[int, _OpenFrame] = {}
        self._waiting: dict[int, _OpenFrame] = {}
        self._ended: deque[int] = deque(maxlen=64)
        self._padding: set[int] = set()
        self._timestamp = -1
        self._next_rendered = -1
        self._last_rendered_us = 0
        self._first_key_us: int | None = None
        self._asked_key_us = 0
        self._waiting_since_us = 0
        self._counting_only = False
        self.framesReceived = self.keyFramesReceived = self.framesDropped = self.malformed = 0

    def on_rtp(
        self, buffer: bytearray, end: int, marker: int, sequence: int, timestamp: int, at: int, arrival_us: int
    ) -> None:
        if (sequence - self._highest) & 0xFFFF == 1 and self._highest >= 0:
            self._highest = sequence
            if not sequence:
                self._cycles += 0x10000
        elif not self._unordered(sequence, arrival_us):
            return
        self.packetsReceived += 1
        self.bytesReceived += end - at
        self.lastPacketReceived_us = arrival_us
        if (
            timestamp != self._timestamp
        ):  # as libwebrtc: packets of one frame leave in a burst and say nothing of jitter
            self._timestamp = timestamp
            transit = arrival_us * self._rate_per_us - timestamp
            difference = abs(transit - self._transit)
            self._transit = transit
            if difference < 1 << 20:
                self.jitter_clock += (difference - self.jitter_clock) / 16
        if self._counting_only:
            if marker:
                self.framesReceived += 1
                self.observer.rendered(arrival_us)
            return
        if at >= end:
            self._pad(sequence, arrival_us)
            return
        frame = self._open.get(timestamp)
        if frame is None:
            frame = self._open[timestamp] = _OpenFrame(sequence)
            if len(self._open) > MOST_OPEN:
                self._drop_oldest()
        frame.count += 1
        frame.completed_us = max(frame.completed_us, arrival_us)
        try:
            if self._h264:
                self._h264_packet(frame, buffer, at, end, sequence)
            elif buffer[at] & 0x17 == 0x10:
                frame.first = sequence
                if end > at + 4 and buffer[at] == 0x90 and buffer[at + 1] == 0x80 and buffer[at + 2] & 0x80:
                    frame.key = not buffer[at + 4] & 1  # the descriptor most senders write: a 15-bit picture id
                else:
                    frame.key = vp8_payload(memoryview(buffer)[at:end])[2]
        except ValueError:
            self.malformed += 1
        if marker:
            frame.last = sequence
            if self._h264:
                self._end_h264(sequence)
            else:
                try:
                    frame.stamp = unpack_stamp(buffer, end) or ABSENT
                except StampDamaged:
                    frame.stamp = DAMAGED
        if frame.first >= 0 <= frame.last and ((frame.last - frame.first) & 0xFFFF) + 1 == frame.count:
            del self._open[timestamp]
            self._complete(frame)
        if marker and self._h264:
            self._start_h264()

    # -- H.264 has no start-of-frame bit: a frame starts after the marker of the one before, or with an SPS -----------

    def _h264_packet(self, frame: _OpenFrame, buffer: bytearray, at: int, end: int, sequence: int) -> None:
        if (sequence - frame.lowest) & 0xFFFF >= 0x8000:
            frame.lowest = sequence
        payload = memoryview(buffer)[at:end]
        if h264_starts_key(payload):
            frame.key = True
            if frame.first < 0 and payload[0] & 31 in (7, 24):
                frame.first = sequence
        if (sequence - 1) & 0xFFFF in self._ended:
            frame.first = sequence
        if payload[0] & 31 == 6:
            try:
                frame.stamp = read_sei_stamp(payload) or frame.stamp
            except StampDamaged:
                frame.stamp = DAMAGED

    def _end_h264(self, sequence: int) -> None:
        """A marker packet, or padding behind one: the next frame starts behind it and behind any padding."""
        self._ended.append(sequence)
        following = (sequence + 1) & 0xFFFF
        while following in self._padding:
            self._ended.append(following)
            following = (following + 1) & 0xFFFF

    def _start_h264(self) -> None:
        """The frame behind the last end may have come before it: now its first packet is known."""
        following = (self._ended[-1] + 1) & 0xFFFF
        for timestamp, frame in list(self._open.items()):
            if frame.first < 0 and frame.lowest == following:
                frame.first = following
                if frame.last >= 0 and ((frame.last - frame.first) & 0xFFFF) + 1 == frame.count:
                    del self._open[timestamp]
                    self._complete(frame)

    def _drop_oldest(self) -> None:
        del self._open[next(iter(self._open))]
        self.framesDropped += 1
        self.wants_key_frame = True
        self._alert()

    # -- frames --------------------------------------------------------------------------------------------------

    def _pad(self, sequence: int, arrival_us: int) -> None:
        if self._h264 and (sequence - 1) & 0xFFFF in self._ended:
            self._end_h264(sequence)
            self._start_h264()
        if sequence == self._next_rendered:
            self._next_rendered = (sequence + 1) & 0xFFFF
            self._render_waiting(arrival_us)
        elif len(self._padding) < 1024:
            self._padding.add(sequence)

    def _complete(self, frame: _OpenFrame) -> None:
        self.framesReceived += 1
        if frame.key:
            self.keyFramesReceived += 1
        completed = frame.completed_us
        if self._first_key_us is None:
            if not frame.key:
                self.wants_key_frame = True
                self._alert()
                return
            self._first_key_us = completed
            self.observer.first_frame(completed)
            if self._depth == "packets":
                self._counting_only, self.decrypt = True, False
                self._open.clear()
        self.observer.video_frame(frame.stamp, completed, frame.key)
        if frame.first == self._next_rendered or (frame.key and not self._overtaken(frame.first)):
            self._render(frame, completed)
            if self._waiting or self._padding:
                self._render_waiting(completed)
        elif self._overtaken(frame.first):
            self.framesDropped += 1
        else:
            if not self._waiting:
                self._waiting_since_us = completed
            self._waiting[frame.first] = frame

    def _render(self, frame: _OpenFrame, at_us: int) -> None:
        at_us = max(at_us, self._last_rendered_us)
        self._last_rendered_us = at_us
        self._next_rendered = (frame.last + 1) & 0xFFFF
        self.observer.rendered(at_us)

    def _overtaken(self, first: int) -> bool:
        """Whether a younger frame has been rendered: a late key frame must not turn the picture back.

        Measured from the highest sequence number, because after a long freeze the next to render may be a cycle ago.
        """
        if self._next_rendered < 0:
            return False
        return 0 < (self._next_rendered - first) & 0xFFFF <= (self._highest + 1 - first) & 0xFFFF

    def _render_waiting(self, at_us: int) -> None:
        """Render what was held behind a gap that has just closed, and drop what a key frame has overtaken."""
        while True:
            if self._next_rendered in self._padding:
                self._padding.discard(self._next_rendered)
                self._next_rendered = (self._next_rendered + 1) & 0xFFFF
                continue
            frame = self._waiting.pop(self._next_rendered, None)
            if frame is None:
                break
            self._render(frame, at_us)
        ahead = (self._highest + 1 - self._next_rendered) & 0xFFFF
        overtaken = [first for first in self._waiting if (first - self._next_rendered) & 0xFFFF >= ahead]
        for first in overtaken:
            del self._waiting[first]
            self.framesDropped += 1
        if self._padding and not self._waiting:
            self._padding = {p for p in self._padding if (p - self._next_rendered) & 0xFFFF < 0x8000}

    def _restart(self, sequence: int) -> None:
        super()._restart(sequence)
        self.framesDropped += len(self._open) + len(self._waiting)
        self._open.clear()
        self._waiting.clear()
        self._padding.clear()
        self._ended.clear()
        self._next_rendered = -1

    def _gave_up(self, now_us: int) -> None:
        """Packets are lost for good: the frames they belonged to cannot be completed, a key frame is needed."""
        self.wants_key_frame = True
        stale = [ts for ts, frame in self._open.items() if now_us - frame.completed_us > GIVE_UP_US // 2]
        for timestamp in stale:
            del self._open[timestamp]
            self.framesDropped += 1

    def key_frame_request_due(self, now_us: int) -> bool:
        """Whether to send a PLI now: no picture yet, or the decoder is stuck behind a gap; at most twice a second."""
        if self._highest < 0 or now_us - self._asked_key_us < KEY_FRAME_RETRY_US:
            return False
        stuck = bool(self._waiting) and now_us - self._waiting_since_us > KEY_FRAME_RETRY_US
        if not (self.wants_key_frame or stuck):
            return False
        self.wants_key_frame = False
        self._asked_key_us = now_us
        self.pliCount += 1
        return True
