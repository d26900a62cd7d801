"""Incoming RTP streams: sequence accounting, jitter, retransmission requests; audio.

One object per SSRC. The drain loop calls `on_rtp` for every packet, so the common path is short and allocates little;
loss, reordering and duplicates go through `_unordered`. Counter names are those of W3C webrtc-stats inbound-rtp.
"""

from __future__ import annotations

import math
from typing import Protocol

from harness.rtc import rtcp
from synthetic_media.stamp import StampDamaged, unpack_stamp

NACK_RETRY_US = 100_000
NACK_ATTEMPTS = 10
GIVE_UP_US = 1_000_000
RESTART_GAP = 1000  # a jump of more packets than this is a new stream under an old SSRC, not loss

StampFields = tuple[int, int, int, int, int]
ABSENT, DAMAGED = "absent", "damaged"


class Observer(Protocol):
    """What a subscription's measurement hears. All times in microseconds of the run clock."""

    def first_packet(self, at_us: int, kind: str) -> None: ...
    def first_frame(self, at_us: int) -> None: ...
    def video_frame(self, stamp: StampFields | str, completed_us: int, key: bool) -> None: ...
    def rendered(self, at_us: int) -> None: ...
    def audio_frame(self, stamp: StampFields | str, arrival_us: int) -> None: ...


class SoundTaker(Protocol):
    """Takes every packet of sound as it comes."""

    def hear(
        self, sequence: int, timestamp: int, payload: bytes, stamp: StampFields | str, arrival_us: int
    ) -> None: ...


class InboundStream:
    """What audio and video have in common. `decrypt` tells the drain loop whether the payload is needed."""

    kind = ""
    __slots__ = (
        "_alerted",
        "_alerts",
        "_base",
        "_cycles",
        "_expected_prior",
        "_highest",
        "_last_sr",
        "_last_sr_at_us",
        "_missing",
        "_rate_per_us",
        "_received_prior",
        "_restarting",
        "_transit",
        "bytesReceived",
        "decrypt",
        "firCount",
        "jitter_clock",
        "lastPacketReceived_us",
        "nackCount",
        "nacks",
        "observer",
        "packetsDuplicated",
        "packetsReceived",
        "pliCount",
        "retransmittedPacketsReceived",
        "ssrc",
        "wants_key_frame",
    )

    def __init__(
        self, ssrc: int, clock_rate: int, observer: Observer, alerts: list[InboundStream], *, nacks: bool
    ) -> None:
        self.ssrc = ssrc
        self._alerts = alerts
        self._alerted = False
        self.observer = observer
        self.nacks = nacks
        self.decrypt = True
        self._rate_per_us = clock_rate / 1_000_000
        self._highest = -1
        self._base = 0
        self._cycles = 0
        self._restarting = -1
        self._transit = math.inf  # so that the first packet says nothing about jitter
        self._missing: dict[int, list[int]] = {}
        self._expected_prior = self._received_prior = 0
        self._last_sr, self._last_sr_at_us = 0, 0
        self.jitter_clock = 0.0
        self.packetsReceived = self.bytesReceived = self.packetsDuplicated = 0
        self.retransmittedPacketsReceived = self.nackCount = self.pliCount = self.firCount = 0
        self.lastPacketReceived_us = 0
        self.wants_key_frame = False

    def _alert(self) -> None:
        """Ask the peer for feedback at the end of this drain instead of at the next tick."""
        if not self._alerted:
            self._alerted = True
            self._alerts.append(self)

    def on_rtp(
        self, buffer: bytearray, end: int, marker: int, sequence: int, timestamp: int, at: int, arrival_us: int
    ) -> None:
        """One packet: `buffer[at:end]` is its payload (still encrypted when `decrypt` is false)."""
        raise NotImplementedError

    # The first lines of every `on_rtp` (the next packet in sequence, the common case) stand in each subclass: a call
    # less per packet is worth the repetition.

    # -- sequence ------------------------------------------------------------------------------------------------

    def _unordered(self, sequence: int, arrival_us: int) -> bool:
        """Account for a packet that is not the next one. False: a duplicate, to be ignored."""
        if self._highest < 0:
            self._highest = self._base = sequence
            self.observer.first_packet(arrival_us, self.kind)
            return True
        ahead = (sequence - self._highest) & 0xFFFF
        if ahead == 0 or ahead >= 0x8000:
            if self._missing.pop(sequence, None) is None:
                if (self._highest - sequence) & 0xFFFF > RESTART_GAP and sequence == self._restarting:
                    self._restart(sequence)  # two in a row from far behind (RFC 3550 appendix A.1)
                    return True
                self._restarting = (sequence + 1) & 0xFFFF
                self.packetsDuplicated += 1
                return False
            self.retransmittedPacketsReceived += 1
            return True
        if ahead > RESTART_GAP:
            self._restart(sequence)
            return True
        for lost in range(self._highest + 1, self._highest + ahead):
            self._missing[lost & 0xFFFF] = [arrival_us, 0, 0]
        if self.nacks:
            if self._missing:
                self._alert()
        else:
            while len(self._missing) > RESTART_GAP:  # never asked for, so never given up: the oldest is forgotten
                del self._missing[next(iter(self._missing))]
        if sequence < self._highest:
            self._cycles += 0x10000
        self._highest = sequence
        return True

    def _restart(self, sequence: int) -> None:
        # Expected packets go on from what was expected, so that the jump itself counts as no loss.
        self._base = sequence - self.packetsExpected
        self._cycles = 0
        self._highest = sequence
        self._missing.clear()
        self._transit = math.inf

    @property
    def packetsExpected(self) -> int:  # noqa: N802 - RFC 3550's "expected", beside W3C names
        return 0 if self._highest < 0 else self._cycles + self._highest - self._base + 1

    @property
    def packetsLost(self) -> int:  # noqa: N802
        return max(0, self.packetsExpected - self.packetsReceived)

    @property
    def jitter_ms(self) -> float:
        """Interarrival jitter (RFC 3550 section 6.4.1) in milliseconds."""
        return self.jitter_clock / self._rate_per_us / 1000

    # -- feedback ------------------------------------------------------------------------------------------------

    def sequences_to_request(self, now_us: int) -> list[int]:
        """Missing packets due for a NACK now; forgets those that have been asked for often or long enough."""
        self._alerted = False
        due, given_up = [], []
        for sequence, entry in self._missing.items():
            noticed, attempts, asked = entry
            if now_us - noticed > GIVE_UP_US or attempts >= NACK_ATTEMPTS:
                given_up.append(sequence)
            elif self.nacks and (not attempts or now_us - asked >= NACK_RETRY_US):
                entry[1] += 1
                entry[2] = now_us
                due.append(sequence)
        for sequence in given_up:
            del self._missing[sequence]
        if given_up:
            self._gave_up(now_us)
        if due:
            self.nackCount += 1
        return due

    def _gave_up(self, now_us: int) -> None:
        pass

    def key_frame_request_due(self, now_us: int) -> bool:
        return False

    def on_sender_report(self, report: rtcp.SenderReport, now_us: int) -> None:
        self._last_sr = report.ntp >> 16 & 0xFFFFFFFF
        self._last_sr_at_us = now_us

    def report_block(self, now_us: int) -> rtcp.ReportBlock:
        """RFC 3550 section 6.4.1 and appendix A.3."""
        expected, received = self.packetsExpected, self.packetsReceived
        expected_interval = expected - self._expected_prior
        lost_interval = expected_interval - (received - self._received_prior)
        self._expected_prior, self._received_prior = expected, received
        fraction = min(255, (lost_interval << 8) // expected_interval) if lost_interval > 0 < expected_interval else 0
        delay = (now_us - self._last_sr_at_us) * 65536 // 1_000_000 if self._last_sr else 0
        return rtcp.ReportBlock(
            self.ssrc,
            fraction,
            expected - received,
            (self._cycles + self._highest) & 0xFFFFFFFF,
            int(self.jitter_clock),
            self._last_sr,
            delay,
        )


class InboundAudio(InboundStream):
    """Every Opus packet is a frame of its own; browsers do not retransmit audio, nor do we."""

    kind = "audio"
    __slots__ = ("_taker",)

    def __init__(
        self,
        ssrc: int,
        observer: Observer,
        alerts: list[InboundStream],
        *,
        depth: str,
        taker: SoundTaker | None = None,
    ) -> None:
        """taker: hears the packets as well, where the sound is decoded."""
        super().__init__(ssrc, 48_000, observer, alerts, nacks=False)
        self.decrypt = depth != "packets"
        self._taker = taker

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
        transit = arrival_us * self._rate_per_us - timestamp
        difference = abs(transit - self._transit)
        self._transit = transit
        if difference < 1 << 20:
            self.jitter_clock += (difference - self.jitter_clock) / 16
        if self.decrypt:
            stamp: StampFields | str
            try:
                stamp = unpack_stamp(buffer, end) or ABSENT
            except StampDamaged:
                stamp = DAMAGED
            self.observer.audio_frame(stamp, arrival_us)
            if self._taker is not None:
                self._taker.hear(sequence, timestamp, bytes(buffer[at:end]), stamp, arrival_us)
