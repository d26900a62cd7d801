"""Incoming video whose frames are handed over whole: depth `decode`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harness.rtc.inbound import InboundStream, Observer, StampFields
from harness.rtc.inbound_video import InboundVideo, _OpenFrame

KEPT = 4096  # packets; half of them are more than can be waiting behind a gap before it is given up


class FrameTaker(Protocol):
    """Takes complete encoded frames in the order in which they can be decoded."""

    def take(
        self, payloads: Sequence[bytes], stamp: StampFields | str, key: bool, at_us: int, stream: InboundStream
    ) -> None:
        """payloads: of RTP, in order. at_us: when the frame could be shown. stream: whom to ask for a key frame."""
        ...


class DecodableVideo(InboundVideo):
    """Keeps payloads until their frame is rendered, then gives them away.

    What a browser would not decode is not given away either: a frame with packets missing, one behind a gap, one
    overtaken by a key frame. It is in `framesDropped`, and a key frame is asked for as at every depth.
    """

    __slots__ = ("_payloads", "_taker")

    def __init__(
        self, ssrc: int, observer: Observer, alerts: list[InboundStream], *, codec: str, taker: FrameTaker
    ) -> None:
        super().__init__(ssrc, observer, alerts, codec=codec, depth="decode")
        self._taker = taker
        self._payloads: dict[int, bytes] = {}

    def on_rtp(
        self, buffer: bytearray, end: int, marker: int, sequence: int, timestamp: int, at: int, arrival_us: int
    ) -> None:
        # Before anything else, as the frame may be complete with this packet. A duplicate says the same again.
        self._payloads[sequence] = bytes(buffer[at:end])
        super().on_rtp(buffer, end, marker, sequence, timestamp, at, arrival_us)
        if len(self._payloads) > KEPT:
            self._forget()

    def _render(self, frame: _OpenFrame, at_us: int) -> None:
        payloads, sequence = [], frame.first
        for _ in range(frame.count):
            payload = self._payloads.pop(sequence, b"")
            if payload:
                payloads.append(payload)
            sequence = (sequence + 1) & 0xFFFF
        super()._render(frame, at_us)
        self._taker.take(payloads, frame.stamp, frame.key, self._last_rendered_us, self)

    def _forget(self) -> None:
        """Packets of frames that were dropped, and those that came again after their frame was shown."""
        self._payloads = {s: p for s, p in self._payloads.items() if (self._highest - s) & 0xFFFF < KEPT // 2}
