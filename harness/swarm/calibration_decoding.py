"""The calibration's receiver that decodes and judges every picture."""

from __future__ import annotations

from functools import partial
from typing import Any

from harness.measure.subscription import SubscriptionMeasure
from harness.picture.judge import PictureJudge
from harness.picture.pool import DecoderPool
from harness.picture.reference import ClipReference
from harness.picture.table import load_table
from harness.rtc.decodable_video import DecodableVideo
from harness.rtc.inbound import InboundStream
from harness.swarm.calibration_roles import CLIPS, VIDEO, Receiver
from synthetic_media.clip import load_video


class DecodingReceiver(Receiver):
    """Receives at depth decode: on one thread, to be comparable with what one thread of aiortc's does."""

    def __init__(self) -> None:
        super().__init__("decode")
        clips = [load_video(VIDEO, seed) for seed in range(CLIPS)]
        self._references = [(ClipReference(clip), load_table(clip)) for clip in clips]
        self._decoders = DecoderPool(1)

    def _video(self, ssrc: int, measure: SubscriptionMeasure, alerts: list[InboundStream]) -> InboundStream:
        number = self._measures.index(measure)
        judge = partial(PictureJudge, *self._references[number % CLIPS], number)
        stream = self._decoders.stream(measure.tags, "viewer", f"s{number}", VIDEO.fps, judge, "vp8")
        return DecodableVideo(ssrc, measure, alerts, codec="vp8", taker=stream)

    async def measure(self, order: dict[str, Any]) -> dict[str, Any]:
        self._decoders.collect(self._recorder)
        undecoded = self._decoders.frames_undecoded()
        found = await super().measure(order)
        rows, _ = self._decoders.collect(self._recorder)
        decoded, intact = (sum(row[name] for row in rows) for name in ("framesDecoded", "picturesIntact"))
        return {
            **found,
            "decoded": decoded,
            "intact": intact,
            "undecoded": self._decoders.frames_undecoded() - undecoded,
        }
