"""What a clip shall be: size, rate, codec, length. Checked when it is written down, not when it is used."""

import math
from dataclasses import dataclass

from synthetic_media.microphone import MIN_SECONDS
from synthetic_media.strip import MIN_WIDTH

VIDEO_CODECS = ("vp8", "h264")
OPUS_FRAME_SECONDS = 0.02
MIN_HEIGHT = 90
MAX_SIDE = 4096
_OPUS_BITRATES = (6_000, 256_000)  # what the format recommends for one channel (RFC 6716 section 2.1.1), and its top


@dataclass(frozen=True)
class VideoSpec:
    """A video clip. Raises ValueError for what cannot be encoded or looped."""

    width: int  # pixels, even
    height: int  # pixels, even
    fps: int  # pictures per second
    bitrate: int  # bits per second of encoded frames, without packet headers
    codec: str  # "vp8" or "h264"
    seconds: float = 10.0  # length of the loop
    keyframe_interval: float = 1.0  # seconds from one key frame to the next

    def __post_init__(self) -> None:
        if self.codec not in VIDEO_CODECS:
            raise ValueError(f"codec must be one of {', '.join(VIDEO_CODECS)}, not {self.codec!r}")
        _check_side("width", self.width, MIN_WIDTH)
        _check_side("height", self.height, MIN_HEIGHT)
        if not 1 <= self.fps <= 60:
            raise ValueError(f"fps must be 1 to 60, not {self.fps}")
        if not 10_000 <= self.bitrate <= 50_000_000:
            raise ValueError(f"bitrate must be 10000 to 50000000 bits per second, not {self.bitrate}")
        frames = _whole("seconds", self.seconds, self.fps)
        interval = _whole("keyframe_interval", self.keyframe_interval, self.fps)
        if interval > frames:
            raise ValueError(f"keyframe_interval of {self.keyframe_interval:g} s is longer than the clip")

    @property
    def frames(self) -> int:
        """Pictures in the clip."""
        return round(self.seconds * self.fps)

    @property
    def keyframe_distance(self) -> int:
        """Pictures from one key frame to the next."""
        return round(self.keyframe_interval * self.fps)


@dataclass(frozen=True)
class AudioSpec:
    """An Opus clip, mono, 48 kHz, 20 ms per packet. Raises ValueError for what cannot be encoded or looped."""

    bitrate: int  # bits per second, without packet headers
    seconds: float = 10.0  # length of the loop

    def __post_init__(self) -> None:
        low, high = _OPUS_BITRATES
        if not low <= self.bitrate <= high:
            raise ValueError(f"Opus bitrate must be {low} to {high} bits per second, not {self.bitrate}")
        if not self.seconds >= MIN_SECONDS:
            raise ValueError(f"seconds must be at least {MIN_SECONDS:g} for speech, not {self.seconds:g}")
        _whole("seconds", self.seconds, round(1 / OPUS_FRAME_SECONDS))

    @property
    def packets(self) -> int:
        """Packets in the clip."""
        return round(self.seconds / OPUS_FRAME_SECONDS)


def _check_side(name: str, pixels: int, least: int) -> None:
    if pixels % 2 or not least <= pixels <= MAX_SIDE:
        raise ValueError(f"{name} must be even and {least} to {MAX_SIDE} pixels, not {pixels}")


def _whole(name: str, seconds: float, rate: int) -> int:
    """`seconds` in frames; only whole numbers loop without a gap, and an hour is more than a clip needs."""
    if not (math.isfinite(seconds) and 0 < seconds <= 3600):
        raise ValueError(f"{name} must be above 0 and at most 3600 s, not {seconds:g}")
    frames = round(seconds * rate)
    if frames < 1 or abs(frames - seconds * rate) > 1e-6:
        raise ValueError(f"{name} of {seconds:g} s is not a whole number of frames at {rate} per second")
    return frames
