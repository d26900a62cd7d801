"""The worst pictures of a run, kept as small JPEGs: reference, received and difference side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import av
import numpy as np
from gevent.monkey import get_original

from harness.picture.judge import Finding
from harness.picture.planes import frame_of, picture_of, sized
from harness.picture.reference import ClipReference
from synthetic_media.camera import Picture

MOST, MOST_PER_STREAM = 12, 3
APART_US = 1_000_000  # of the same stream: what broke one picture broke its neighbours as well
LARGEST_WIDTH = 480
GAIN = 4  # how much the difference is amplified
_QUALITY = "5"  # of mjpeg, 2 best to 31


@dataclass(frozen=True)
class Candidate:
    """A picture that is among the worst. reference, received, difference: JPEG files."""

    subscriber: str
    publisher: str
    finding: Finding
    reference: bytes
    received: bytes
    difference: bytes

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        found = self.finding
        pictures = {name: base64.b64encode(getattr(self, name)).decode() for name in PICTURES}
        flags = [name for name in ("wrong", "black", "frozen", "old") if getattr(found, name)]
        return {
            "subscriber": self.subscriber,
            "publisher": self.publisher,
            "at_us": found.at_us,
            "clip_frame": found.position,
            "intact": found.intact,
            "psnr_db": found.psnr,
            "ssim": found.ssim,
            "network_psnr_db": found.network_psnr,
            "flags": flags,
            **pictures,
        }


PICTURES = ("reference", "received", "difference")


class Entry(NamedTuple):
    """A picture's place among the worst: damaged ones first, then by PSNR. whose: subscriber and publisher; an intact
    picture is the same at every subscriber, so there it is the publisher's alone."""

    intact: bool
    psnr: float
    at_us: int
    whose: tuple[str, str]


class Ranking:
    """Which pictures are worth keeping, the worst first."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def admit(self, new: Entry) -> bool:
        """Whether a picture is to be kept; it then has its place, and others may have lost theirs."""
        own = [e for e in self.entries if e.whose == new.whose]
        losers = [e for e in own if abs(e.at_us - new.at_us) < APART_US]
        if not losers and len(own) >= MOST_PER_STREAM:
            losers = [own[-1]]
        elif not losers and len(self.entries) >= MOST:
            losers = [self.entries[-1]]
        if losers and losers[0][:2] <= new[:2]:
            return False
        self.entries = sorted([*(e for e in self.entries if e not in losers), new])
        return True


class WorstPictures:
    """Of one process. `offer` runs on the pool's threads, `news` on the media loop."""

    def __init__(self) -> None:
        self._lock = get_original("_thread", "allocate_lock")()
        self._ranking = Ranking()
        self._news: dict[Entry, Candidate] = {}

    def offer(
        self, subscriber: str, publisher: str, finding: Finding, frame: av.VideoFrame, reference: ClipReference
    ) -> None:
        """Keep the picture if it is among the worst so far. An intact one is the same at every subscriber: once."""
        entry = Entry(finding.intact, finding.psnr, finding.at_us, ("" if finding.intact else subscriber, publisher))
        with self._lock:
            if not self._ranking.admit(entry):
                return
        found = _pictures(frame, reference.source(finding.position))
        with self._lock:
            self._news[entry] = Candidate(subscriber, publisher, finding, *found)

    def news(self) -> list[Candidate]:
        """What has been kept since the last time and has not lost its place again; at most MOST."""
        with self._lock:
            found, self._news = self._news, {}
            return [one for entry, one in found.items() if entry in self._ranking.entries]


class Gallery:
    """The worst of all processes, as the run's master keeps them: JSON values, at most MOST."""

    def __init__(self) -> None:
        self._ranking = Ranking()
        self._kept: dict[Entry, dict[str, Any]] = {}

    def add_all(self, found: Iterable[dict[str, Any]]) -> bool:
        """Whether any is kept. found: as Candidate.to_dict makes them."""
        return sum(self._add(one) for one in found) > 0

    def _add(self, found: dict[str, Any]) -> bool:
        whose = ("" if found["intact"] else str(found["subscriber"]), str(found["publisher"]))
        entry = Entry(bool(found["intact"]), float(found["psnr_db"]), int(found["at_us"]), whose)
        if not self._ranking.admit(entry):
            return False
        self._kept = {key: value for key, value in self._kept.items() if key in self._ranking.entries} | {entry: found}
        return True

    def to_list(self) -> list[dict[str, Any]]:
        """The worst first."""
        return [self._kept[key] for key in sorted(self._kept)]


def _pictures(frame: av.VideoFrame, source: Picture) -> tuple[bytes, bytes, bytes]:
    height, width = source[0].shape
    received = picture_of(sized(frame, width, height))
    difference = np.minimum(np.abs(received[0].astype(np.int16) - source[0]) * GAIN, 219).astype(np.uint8) + 16
    grey = np.full_like(source[1], 128)
    return _jpeg(source), _jpeg(received), _jpeg((difference, grey, grey))


def _jpeg(picture: Picture) -> bytes:
    height, width = picture[0].shape
    scale = min(1.0, LARGEST_WIDTH / width)
    frame = frame_of(picture).reformat(
        width=round(width * scale / 2) * 2, height=round(height * scale / 2) * 2, format="yuvj420p"
    )
    file = io.BytesIO()
    with av.open(file, "w", format="mjpeg") as container:
        stream: Any = container.add_stream("mjpeg", rate=1, options={"qmin": _QUALITY, "qmax": _QUALITY})
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuvj420p"
        for packet in (*stream.encode(frame), *stream.encode(None)):
            container.mux(packet)
    return file.getvalue()
