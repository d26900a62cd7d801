"""The encoders: pictures and sound in, encoded frames out, on one thread and with nothing left to chance.

Settings are those of a call: no look-ahead, no reordering, constant rate, fastest presets. One library version gives
the same bytes for the same input; another may not, which is why `library_versions` is part of a clip's cache key.
"""

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TypeVar

import av
import numpy as np
import scipy
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from synthetic_media.camera import Camera, Picture
from synthetic_media.microphone import SAMPLE_RATE, speech
from synthetic_media.spec import OPUS_FRAME_SECONDS, AudioSpec, VideoSpec
from synthetic_media.strip import draw_strip

T = TypeVar("T")

ENCODER_VERSION = 1  # part of the clip cache's key: raise it whenever a setting changes
RATE_TOLERANCE = 0.15

_GOOD_ENOUGH = 0.08  # rate error that needs no other try
_RATE_TRIES = 5
_OPUS_SAMPLES = round(SAMPLE_RATE * OPUS_FRAME_SECONDS)
_LEVEL_3_1 = (3600, 108_000)  # macroblocks per picture and per second (ITU-T H.264 table A-1)


def library_versions() -> dict[str, str]:
    """Everything that decides which bytes an encoder writes, as far as it can be known.

    FFmpeg does not tell the versions of libvpx, x264 and libopus; PyAV's wheels carry them in their file names.
    """
    versions = {"av": av.__version__, "numpy": np.__version__, "scipy": scipy.__version__}
    for name, numbers in av.library_versions.items():
        versions[name] = ".".join(str(number) for number in numbers)
    bundled = Path(av.__file__).parent.parent / "av.libs"
    for codec in ("vpx", "x264", "opus"):
        versions[codec] = " ".join(sorted(path.name for path in bundled.glob(f"lib{codec}[-.]*")))
    return versions


def encode_video(spec: VideoSpec, seed: int) -> list[tuple[bytes, bool]]:
    """Encode the camera of `seed`, strip drawn in: (encoded frame, is key frame) per picture.

    Raises ValueError when the size and frame rate cannot be had within 15 % of the bitrate.
    """
    encode = partial(_encode_pictures, spec, seed)
    what = f"{spec.width}x{spec.height} at {spec.fps} fps as {spec.codec}"
    return _at_rate(what, spec.bitrate, encode, lambda frames: sum(len(data) for data, _ in frames) * 8 / spec.seconds)


def encode_audio(spec: AudioSpec, seed: int) -> tuple[list[bytes], list[int]]:
    """Encode the microphone of `seed`: (Opus packets of 20 ms, their audio levels).

    Raises ValueError when the speech cannot be had within 15 % of the bitrate.
    """
    samples = speech(seed, spec.seconds).reshape(-1, _OPUS_SAMPLES)
    encode = partial(_encode_samples, samples)
    packets = _at_rate("speech as Opus", spec.bitrate, encode, lambda kept: sum(map(len, kept)) * 8 / spec.seconds)
    return packets, [audio_level(part) for part in samples]


def audio_level(samples: NDArray[np.float32]) -> int:
    """The level of RFC 6464 section 3: RMS in dB below overload, 0 (loudest) to 127 (silence)."""
    power = float(np.mean(np.square(samples, dtype=np.float64)))
    return min(127, max(0, round(-10 * math.log10(power)))) if power > 0 else 127


def _at_rate(what: str, wanted: int, encode: Callable[[int], list[T]], rate_of: Callable[[list[T]], float]) -> list[T]:
    """What `encode` gives for the target that comes out nearest to the wanted bits per second.

    Encoders miss the rate of a short clip, and of speech with its pauses: the target is corrected by the error until
    the outcome fits. Always the same steps, so the outcome is the same each time.
    """
    target = wanted
    best: list[T] = []
    best_rate = math.inf
    for _ in range(_RATE_TRIES):
        encoded = encode(target)
        rate = rate_of(encoded)
        if abs(rate - wanted) < abs(best_rate - wanted):
            best, best_rate = encoded, rate
        if abs(best_rate / wanted - 1) <= _GOOD_ENOUGH:
            return best
        target = max(wanted // 4, min(4 * wanted, round(target * wanted / rate)))
    if abs(best_rate / wanted - 1) > RATE_TOLERANCE:
        raise ValueError(f"{what} cannot be encoded with {wanted} bit/s, the nearest is {best_rate:.0f}")
    return best


def _encode_samples(samples: NDArray[np.float32], target: int) -> list[bytes]:
    """Opus packets of `samples` (packets x 960). The encoder hears them twice and the second time is kept, so that
    the first packet continues the last."""
    encoder = _opus_encoder(target)
    packets: list[bytes] = []
    for index, part in enumerate(np.concatenate([samples, samples])):
        frame = av.AudioFrame.from_ndarray(part[None, :], format="flt", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, index * _OPUS_SAMPLES, Fraction(1, SAMPLE_RATE)
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    packets += [bytes(packet) for packet in encoder.encode(None)]
    count = len(samples)
    kept = packets[count : 2 * count]
    if len(kept) != count or any(packet[0] & 3 for packet in kept):
        raise RuntimeError("libopus did not write one packet of one frame per 20 ms")
    return kept


def _encode_pictures(spec: VideoSpec, seed: int, target: int) -> list[tuple[bytes, bool]]:
    encoder = _vp8_encoder(spec, target) if spec.codec == "vp8" else _h264_encoder(spec, target)
    frames: list[tuple[bytes, bool]] = []
    for frame in _pictures(spec, seed):
        frames += [(bytes(packet), packet.is_keyframe) for packet in encoder.encode(frame)]
    frames += [(bytes(packet), packet.is_keyframe) for packet in encoder.encode(None)]
    expected = [index % spec.keyframe_distance == 0 for index in range(spec.frames)]
    if [key for _, key in frames] != expected:
        raise RuntimeError(f"the {spec.codec} encoder left out pictures or moved key frames")
    return frames


def _pictures(spec: VideoSpec, seed: int) -> Iterator[av.VideoFrame]:
    camera = Camera(seed, spec.width, spec.height, spec.fps, spec.frames)
    for index in range(spec.frames):
        picture = camera.picture(index)
        draw_strip(picture[0], seed & 0xFFFFFFFF, 0, index)
        frame = _video_frame(picture)
        frame.pts, frame.time_base = index, Fraction(1, spec.fps)
        yield frame


def _video_frame(picture: Picture) -> av.VideoFrame:
    height, width = picture[0].shape
    frame = av.VideoFrame(width, height, "yuv420p")
    for plane, pixels in zip(frame.planes, picture, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        rows[: pixels.shape[0], : pixels.shape[1]] = pixels
    return frame


def _video_encoder(name: str, spec: VideoSpec, target: int, options: dict[str, str]) -> VideoCodecContext:
    encoder = VideoCodecContext.create(name, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = spec.width, spec.height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, spec.fps), Fraction(spec.fps)
    encoder.bit_rate = target
    encoder.gop_size = spec.keyframe_distance
    encoder.thread_count = 1
    rate = str(target)
    # As much buffer as bits per second: a key frame may take its share of a whole second.
    encoder.options = {"maxrate": rate, "bufsize": rate, "threads": "1", **options}
    return encoder


def _vp8_encoder(spec: VideoSpec, target: int) -> VideoCodecContext:
    options = {
        "deadline": "realtime",
        "cpu-used": "8",
        "lag-in-frames": "0",
        "auto-alt-ref": "0",
        "error-resilient": "0",
        "minrate": str(target),
        "qmin": "2",
        "qmax": "60",
        "undershoot-pct": "100",
        "overshoot-pct": "15",
        "static-thresh": "1",
        # libvpx takes key frames into its own hands unless both distances are equal.
        "keyint_min": str(spec.keyframe_distance),
    }
    return _video_encoder("libvpx", spec, target, options)


def _h264_encoder(spec: VideoSpec, target: int) -> VideoCodecContext:
    distance = spec.keyframe_distance
    options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "profile": "baseline",
        "level": _h264_level(spec),
        "x264-params": f"threads=1:sliced-threads=0:bframes=0:scenecut=0:repeat-headers=1:keyint={distance}",
    }
    return _video_encoder("libx264", spec, target, options)


def _h264_level(spec: VideoSpec) -> str:
    """Level 3.1, which every browser takes, unless the picture does not fit into it."""
    blocks = -(-spec.width // 16) * -(-spec.height // 16)
    per_picture, per_second = _LEVEL_3_1
    return "3.1" if blocks <= per_picture and blocks * spec.fps <= per_second else "5.1"


def _opus_encoder(target: int) -> AudioCodecContext:
    encoder = AudioCodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = SAMPLE_RATE, "mono", "flt"
    encoder.time_base = Fraction(1, SAMPLE_RATE)
    encoder.bit_rate = target
    encoder.options = {
        "application": "voip",
        "frame_duration": f"{OPUS_FRAME_SECONDS * 1000:g}",
        "vbr": "constrained",
        "compression_level": "9",
    }
    return encoder
