"""One subscription whose pictures are decoded: frames on their way to the pool, findings on their way back."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import av

from harness.measure.recorder import Recorder, Tags
from harness.picture.clip_decoder import new_decoder
from harness.picture.gallery import WorstPictures
from harness.picture.judge import Finding, PictureJudge
from harness.rtc.inbound import InboundStream, StampFields
from synthetic_media.packetize import join_h264, join_vp8

log = logging.getLogger(__name__)
BACKLOG = 2.0  # seconds of frames that may wait for a thread; beyond that the pool is behind


class Work(NamedTuple):
    """One encoded frame. See rtc.decodable_video.FrameTaker."""

    payloads: Sequence[bytes]
    stamp: StampFields | str
    key: bool
    at_us: int
    stream: InboundStream


_FLAGS = ("wrong", "black", "frozen", "old")
_COUNTERS = {
    "wrong": "picturesWrong",
    "black": "picturesBlack",
    "frozen": "picturesFrozen",
    "old": "picturesOld",
}


class DecodedStream:
    """`take` and `collect` run on the media loop, `work` on a thread of the pool, never two at a time.

    As a browser does after an error of the decoder, it asks for a key frame and decodes nothing until one comes; the
    same when the pool fell behind and frames had to be left out. undecoded: those left out, which says something of
    the generator. undecodable: refused by the decoder, or waiting for a key frame after one that was.
    """

    def __init__(
        self,
        tags: Tags,
        subscriber: str,
        publisher: str,
        fps: int,
        make_judge: Callable[[], PictureJudge],
        codec: str,
        schedule: Callable[[DecodedStream], None],
        worst: WorstPictures,
    ) -> None:
        self.tags, self.subscriber, self.publisher = tags, subscriber, publisher
        self.scheduled = False
        self.ended = False
        self.undecoded = self.undecodable = 0
        # Hears of each picture that is what its stamp says: (when it could be shown, when it was captured).
        self.on_shown: Callable[[int, int], None] | None = None
        self._make_judge = make_judge
        self._judge: PictureJudge | None = None
        self._codec = codec
        self._join = join_h264 if codec == "h264" else join_vp8
        self._decoder = new_decoder(codec)
        self._schedule, self._worst = schedule, worst
        self._limit = max(10, round(BACKLOG * fps))
        self._pending: deque[Work] = deque()
        self._findings: deque[Finding] = deque()
        self._in_decoder: dict[int, Work] = {}
        self._number = 0
        self._left_out = False  # a frame was left out, so those up to the next key frame are of no use
        self._refused = False
        self._failed = False
        self._told = (0, 0)

    # -- on the media loop ---------------------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """Frames handed in and not finished."""
        return len(self._pending)

    def take(
        self, payloads: Sequence[bytes], stamp: StampFields | str, key: bool, at_us: int, stream: InboundStream
    ) -> None:
        """See rtc.decodable_video.FrameTaker."""
        full = len(self._pending) >= self._limit
        if full or (self._left_out and not key):
            self._left_out = True
            self.undecoded += 1
            return
        self._left_out = False
        self._pending.append(Work(payloads, stamp, key, at_us, stream))
        self._schedule(self)

    def collect(self, recorder: Recorder) -> dict[str, Any] | None:
        """Give the recorder what was found since the last time; a row of sums for the report, None without news."""
        found = [self._findings.popleft() for _ in range(len(self._findings))]
        undecoded, undecodable = self.undecoded - self._told[0], self.undecodable - self._told[1]
        self._told = (self.undecoded, self.undecodable)
        if not found and not undecoded and not undecodable:
            return None
        counts = {
            "framesDecoded": len(found),
            "framesUndecoded": undecoded,
            "framesUndecodable": undecodable,
            "picturesIntact": sum(one.intact for one in found),
            **{_COUNTERS[flag]: sum(getattr(one, flag) for one in found) for flag in _FLAGS},
        }
        for name, amount in counts.items():
            if amount:
                recorder.count(name, self.tags, amount)
        network = [one.network_psnr for one in found if one.network_psnr is not None]
        samples = {
            "psnr_db": [one.psnr for one in found],
            "ssim": [one.ssim for one in found],
            "network_psnr_db": network,
            "vmaf": [one.vmaf for one in found if one.vmaf is not None],
        }
        for name, values in samples.items():
            if values:
                recorder.samples(name, self.tags).extend(values)
        sums = {name: [sum(values), min(values), len(values)] for name, values in samples.items() if values}
        return {"subscriber": self.subscriber, "publisher": self.publisher, **counts, **sums}

    # -- on a thread of the pool ---------------------------------------------------------------------------------

    def work(self) -> bool:
        """Decode and judge one frame. False when there is none."""
        if not self._pending:
            return False
        work = self._pending[0]
        try:
            if work.key:
                self._refused = False
            if self._refused:
                self.undecodable += 1
            else:
                self._decode(work, self._ready_judge())
        except Exception:  # a fault of ours: never the service's, and no reason to end the thread all others wait for
            if not self._failed:
                log.exception("the pictures of %s cannot be judged for %s", self.publisher, self.subscriber)
            self._failed = True
            self.undecoded += 1
        finally:
            self._pending.popleft()  # only now: what is being decoded counts as waiting
        return True

    def _ready_judge(self) -> PictureJudge:
        if self._judge is None:
            if self._failed:
                raise RuntimeError("there is no reference")
            self._judge = self._make_judge()
        return self._judge

    def _decode(self, work: Work, judge: PictureJudge) -> None:
        self._number += 1
        self._in_decoder[self._number] = work
        try:
            packet = av.Packet(self._join(work.payloads))
            packet.pts = packet.dts = self._number
            shown = self._decoder.decode(packet)
        except (av.FFmpegError, ValueError):
            self._refuse(work)
            return
        for frame in shown:
            of = self._in_decoder.pop(frame.pts if frame.pts is not None else self._number, work)
            finding = judge.look(frame, of.stamp, of.at_us)
            self._findings.append(finding)
            if self.on_shown is not None and isinstance(of.stamp, tuple) and finding.true_to_stamp:
                self.on_shown(of.at_us, of.stamp[4])
            self._worst.offer(self.subscriber, self.publisher, finding, frame, judge.reference)
        while len(self._in_decoder) > 16:  # frames that never became pictures
            self._in_decoder.pop(next(iter(self._in_decoder)))
            self.undecodable += 1

    def _refuse(self, work: Work) -> None:
        self._in_decoder.pop(self._number, None)
        self.undecodable += 1
        self._refused = True
        self._decoder = new_decoder(self._codec)
        work.stream.wants_key_frame = True  # looked at with every tick of the peer
