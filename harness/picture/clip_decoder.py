"""Decoding of a clip's own frames, as they were before any network had them."""

from __future__ import annotations

from collections.abc import Iterator

import av
from av.video.codeccontext import VideoCodecContext

from harness.picture.planes import Luma, luma_of
from synthetic_media.clip import VideoClip
from synthetic_media.packetize import join_h264


def new_decoder(codec: str) -> VideoCodecContext:
    """A decoder on one thread that gives each picture as soon as it has its frame. codec: "vp8" or "h264"."""
    decoder = VideoCodecContext.create(codec, "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1
    decoder.options = {"flags": "low_delay"}
    return decoder


def encoded_frame(clip: VideoClip, position: int) -> bytes:
    """The bitstream of one frame of a clip, without a stamp."""
    fragments = clip.frames[position].fragments
    return join_h264(fragments) if clip.spec.codec == "h264" else b"".join(fragments)


class ClipDecoder:
    """The sender's own decode of a clip's frames, forwards from wherever it was asked last."""

    def __init__(self, clip: VideoClip) -> None:
        self._clip = clip
        self._decoder = new_decoder(clip.spec.codec)
        self._next = -1

    def luma(self, position: int) -> Luma:
        """The luma plane (height x width) of frame `position`; decodes from its key frame when it has to.

        Raises ValueError when the clip cannot be decoded.
        """
        key = max(k for k in self._clip.key_positions if k <= position)
        first = self._next if key <= self._next <= position else key
        found: Luma | None = None
        for number in range(first, position + 1):
            found = self._decode(number)
        self._next = position + 1
        assert found is not None
        return found

    def all(self) -> Iterator[Luma]:
        """Every frame of the clip in order."""
        return (self.luma(position) for position in range(len(self._clip.frames)))

    def _decode(self, position: int) -> Luma:
        try:
            shown = self._decoder.decode(av.Packet(encoded_frame(self._clip, position)))
        except av.FFmpegError as error:
            raise ValueError(f"frame {position} of a clip cannot be decoded: {error}") from None
        if len(shown) != 1:
            raise ValueError(f"frame {position} of a clip gave {len(shown)} pictures; allowed: one")
        return luma_of(shown[0])
