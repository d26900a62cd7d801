"""Opus to samples, with libopus's own concealment for what did not come."""

from __future__ import annotations

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from synthetic_media.microphone import SAMPLE_RATE

FRAME = 960  # samples of 20 ms
LOOK_AHEAD = 312  # samples by which libopus's encoder is behind: its look-ahead for speech, as OPUS_GET_LOOKAHEAD tells
_LOUDEST = 32_768.0

Samples = NDArray[np.float32]


class OpusDecoder:
    """One stream. Everything comes out as 48 kHz mono, float32 of -1..1, LOOK_AHEAD samples late."""

    def __init__(self) -> None:
        decoder = AudioCodecContext.create("libopus", "r")
        assert isinstance(decoder, AudioCodecContext)
        decoder.sample_rate, decoder.layout, decoder.format = SAMPLE_RATE, "mono", "s16"
        self._decoder = decoder
        self._table_of_contents = b""
        self.refused = 0

    def decode(self, payload: bytes) -> Samples:
        """The samples of a packet. What the decoder refuses is concealed and counted in `refused`."""
        if payload:
            try:
                samples = self._samples(payload)
            except av.FFmpegError:
                self.refused += 1
            else:
                self._table_of_contents = bytes((payload[0] & 0xFC,))
                return samples
        return self.conceal()

    def conceal(self) -> Samples:
        """20 ms that were not received. A packet of nothing but its first byte makes libopus conceal (its decoder
        takes a frame without bytes for a lost one), and goes on from there.
        """
        if not self._table_of_contents:
            return np.zeros(FRAME, np.float32)
        return self._samples(self._table_of_contents)

    def _samples(self, packet: bytes) -> Samples:
        parts = [frame.to_ndarray().reshape(-1) for frame in self._decoder.decode(av.Packet(packet))]
        whole = parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.zeros(FRAME, np.int16)
        return np.asarray(whole, np.float32) / np.float32(_LOUDEST)
