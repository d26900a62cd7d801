"""What a decoded picture is: intact or damaged, how good, and whether it is the right one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import av

from harness.picture.planes import Luma, checksum, luma_within, sized
from harness.picture.reference import ClipReference
from harness.picture.scores import Scorer, psnr
from harness.picture.table import ClipTable
from harness.rtc.inbound import StampFields
from synthetic_media.strip import read_strip, strip_rows

# Black as ffmpeg's blackdetect has it: 98 % of the pixels at or under a tenth of the way from black to white.
_BLACK_LUMA, _BLACK_SHARE = 16 + 219 // 10, 0.98
_EVERY = 4  # pixels: enough to see whether a picture is black


@dataclass(frozen=True, slots=True)
class Finding:
    """One decoded picture.

    position: the clip frame it was held against. intact: its luma is the sender's own decode, bit by bit. psnr (dB),
    ssim: luma against the camera's picture, the strip left out. network_psnr: luma against the sender's own decode,
    None when intact. vmaf: from the table, None when damaged or not to be had. wrong: it shows another clip. old: it
    shows another frame of its clip than its stamp names. frozen: it repeats the picture before, and should not.
    """

    at_us: int
    position: int
    intact: bool
    psnr: float
    ssim: float
    network_psnr: float | None
    vmaf: float | None
    wrong: bool
    black: bool
    frozen: bool
    old: bool

    @property
    def true_to_stamp(self) -> bool:
        """Whether it shows what its stamp says, for all that can be seen."""
        return self.intact or not (self.wrong or self.black or self.frozen or self.old)


class _Shown(NamedTuple):
    """The picture before. shows: clip and frame that its strip names, None when it cannot be read."""

    position: int
    crc: int
    shows: tuple[int, int] | None


class PictureJudge:
    """Looks at the pictures of one subscription, in order. stamp_id: what its stamps must name."""

    def __init__(self, reference: ClipReference, table: ClipTable, stamp_id: int) -> None:
        self.reference, self._table = reference, table
        self._stamp_id = stamp_id
        spec = reference.clip.spec
        self._width, self._height = spec.width, spec.height
        self._top = strip_rows(spec.width)
        self._identity = reference.clip.seed & 0xFFFFFFFF
        self._scorer: Scorer | None = None
        self._before: _Shown | None = None

    def look(self, frame: av.VideoFrame, stamp: StampFields | str, at_us: int) -> Finding:
        """Judge one decoded picture by the stamp that came with it."""
        frame = sized(frame, self._width, self._height)
        luma = luma_within(frame)
        crc = checksum(luma)
        position = self._named(stamp)
        if position is not None and crc == self._table.crc[position]:
            return self._intact(position, crc, at_us)
        if position is None and crc in self._table.position_of:
            return self._intact(self._table.position_of[crc], crc, at_us)
        return self._damaged(luma, crc, position, at_us)

    def _named(self, stamp: StampFields | str) -> int | None:
        """The clip frame that a stamp of this publisher names."""
        if isinstance(stamp, tuple) and stamp[0] == stamp[1] == self._stamp_id:
            return stamp[3] % len(self._table.crc)
        return None

    def _intact(self, position: int, crc: int, at_us: int) -> Finding:
        table = self._table
        vmaf = table.vmaf[position] if table.vmaf is not None else None
        self._before = _Shown(position, crc, (self._identity, position))
        return Finding(
            at_us, position, True, table.psnr[position], table.ssim[position], None, vmaf, False, False, False, False
        )

    def _damaged(self, luma: Luma, crc: int, named: int | None, at_us: int) -> Finding:
        strip = read_strip(luma)
        ours = strip is not None and strip.stream == self._identity
        position = named if named is not None else self._guessed(strip.frame if strip and ours else None)
        body = luma[self._top :]
        source = self.reference.source(position)[0][self._top :]
        if self._scorer is None:
            self._scorer = Scorer(*body.shape)
        scores = self._scorer(body, source)
        network = psnr(body, self.reference.decoded(position)[self._top :])
        shows = (strip.stream, strip.frame) if strip is not None else None
        frozen = self._repeats(position, crc, shows)
        self._before = _Shown(position, crc, shows)
        return Finding(
            at_us,
            position,
            False,
            scores.psnr,
            scores.ssim,
            network,
            None,
            wrong=strip is not None and not ours,
            black=_is_black(body),
            frozen=frozen,
            old=strip is not None and ours and strip.frame != position and not frozen,
        )

    def _guessed(self, read: int | None) -> int:
        """Without a stamp of ours: what the strip says, else the frame behind the last one."""
        if read is not None:
            return read % len(self._table.crc)
        return 0 if self._before is None else (self._before.position + 1) % len(self._table.crc)

    def _repeats(self, position: int, crc: int, shows: tuple[int, int] | None) -> bool:
        """Whether the picture is the one before although the clip has moved on.

        One that was encoded again is not the same bit by bit; its strip still is.
        """
        before = self._before
        if before is None or self._table.crc[position] == self._table.crc[before.position]:
            return False
        return crc == before.crc or (shows is not None and shows == before.shows)


def _is_black(body: Luma) -> bool:
    sample = body[::_EVERY, ::_EVERY]
    return int((sample <= _BLACK_LUMA).sum()) >= _BLACK_SHARE * sample.size
