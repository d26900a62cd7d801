"""Sound tells the truth: lips out of sync by so much are read as that, and worse sound has a worse score."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from aiohttp import web

from harness.measure.catalogue import METRICS
from harness.measure.emodel import audio_opinion
from harness.measure.recorder import Tags
from harness.room_service.media import ForwarderMedia
from harness.room_service.server import RoomServer
from harness.room_service.settings import Settings
from harness.rtc.decodable_video import DecodableVideo
from harness.rtc.inbound import InboundAudio, InboundStream
from harness.rtc.inbound_video import InboundVideo
from harness.rtc.media_loop import MediaLoop
from harness.scenario.model import Scenario
from harness.scenario.plan import Plan, build_plan
from harness.services.reference import ReferenceService
from harness.sound.full_reference import METHODS, Method
from harness.sound.heard_stream import HeardStream
from harness.sound.judge import Candidate, SoundJudge
from harness.sound.sample import SampleKeeper, SoundSample, Source
from harness.swarm.generator import Generator
from harness.swarm.judgement import Measured
from harness.swarm.preparation import encode_clips
from harness.trace.clock import RunClock
from synthetic_media.clip import load_audio
from synthetic_media.packetize import opus_payload
from synthetic_media.spec import AudioSpec
from synthetic_media.stamp import pack_stamp

Truth = Callable[[str, object, object, object], None]
SECRET = "a secret for tests, long enough to sign with"
OFFSETS_MS = (-200, -60, 0, 45, 120)
LOSS = 0.02
LENGTH = 14  # seconds
WITHIN_MS = 10.0
VOICES = (4096, 4097)
RATES = (64_000, 24_000, 12_000, 8_000)  # bits/s, best first
LOSSES = (0.0, 0.02, 0.05, 0.10)


# -- lips ------------------------------------------------------------------------------------------------------------


def plan() -> Plan:
    """For each offset a publisher whose lips are off by it, a critic who decodes, and a viewer who does not."""
    roles: dict[str, Any] = {}
    for number, offset in enumerate(OFFSETS_MS):
        microphone = {"bitrate": "24k", "delay": f"{offset}ms"}
        camera = {"size": "320x180", "fps": 25, "bitrate": 150_000}
        roles[f"m{number}"] = {"count": 1, "camera": camera, "microphone": microphone, "play": False}
        for name, depth in (("critic", "decode"), ("viewer", "frames")):
            roles[f"{name}{number}"] = {"count": 1, "play": {"roles": [f"m{number}"]}, "observe": depth}
    found = {"name": "lips", "duration": f"{LENGTH}s", "arrival": "at_once", "roles": roles}
    return build_plan(Scenario.model_validate(found))


def lose(share: float, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Every subscription loses that share of the packets that reach it. Returns [packets, lost]."""
    chance, counts = random.Random(1), [0, 0]

    def lossy(kind: type[InboundStream]) -> type[InboundStream]:
        class Lossy(kind):  # type: ignore[valid-type, misc]
            __slots__ = ()

            def on_rtp(self, *packet: Any) -> None:
                counts[0] += 1
                if chance.random() < share:
                    counts[1] += 1
                else:
                    super().on_rtp(*packet)

        return Lossy

    for kind in (InboundAudio, InboundVideo, DecodableVideo):
        monkeypatch.setattr(f"harness.swarm.subscription.{kind.__name__}", lossy(kind))
    return counts


async def run(plan: Plan) -> Measured:
    server = RoomServer(Settings(), SECRET, ForwarderMedia(["127.0.0.1"]))
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    clock = RunClock()

    def service(media: MediaLoop) -> ReferenceService:
        return ReferenceService(f"http://127.0.0.1:{runner.addresses[0][1]}", SECRET, media, ["127.0.0.1"])

    generator = Generator(plan, clock, clock.now_us(), service, lambda line: None)
    measured = Measured(plan)

    async def collect() -> None:
        while True:
            await asyncio.sleep(1.0)
            measured.add(generator.collect())

    collecting = asyncio.create_task(collect())
    try:
        await asyncio.gather(*(generator.run_participant(participant) for participant in plan.participants))
        collecting.cancel()
        measured.add(generator.collect())
    finally:
        await generator.close()
        await runner.cleanup()
    return measured


def test_lips_out_of_sync_at_the_publisher_are_read_within_ten_milliseconds(
    truth: Truth, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = plan()
    encode_clips(made, lambda what, done, total: None)
    counts = lose(LOSS, monkeypatch)
    measured = asyncio.run(run(made))
    assert counts[1] / counts[0] == pytest.approx(LOSS, abs=0.01)
    for number, offset in enumerate(OFFSETS_MS):
        for metric, role in (("av_offset_ms", f"critic{number}"), ("av_arrival_offset_ms", f"viewer{number}")):
            found = measured.totals.trend(metric, {"role": role})
            assert found.count >= LENGTH // 2, f"{metric} of {role} was read in {found.count} seconds"
            middle = found.percentile(50)
            furthest = max((found.min, found.max), key=lambda end: abs(end - offset))
            shown = f"{middle:+.1f} ms, {found.count} seconds, furthest {furthest:+.1f}"
            truth(f"{metric}, 24 kbit/s", f"{offset:+d} ms, {LOSS:.0%} loss", shown, f"{middle - offset:+.2f} ms")
            assert abs(middle - offset) <= WITHIN_MS
            assert abs(furthest - offset) <= WITHIN_MS, "no second of it is further off"
    concealed = measured.series(METRICS["concealed_share"], {})
    truth("concealed_share", LOSS, concealed.value, f"{(concealed.value - LOSS) * 100:+.2f} points")
    assert concealed.value == pytest.approx(LOSS, abs=0.01)


# -- scores ----------------------------------------------------------------------------------------------------------


def kept(bitrate: int, loss: float, seed: int) -> SoundSample:
    """Eight seconds of one voice as a decoded subscription keeps them, at random as many packets lost."""
    clip, chance = load_audio(AudioSpec(bitrate), seed), random.Random(seed)
    source = Source("listener", "speaker", "", "", "opus", seed, clip.spec.seconds)
    own = Candidate("speaker", 1, (seed, clip.spec.seconds))
    stream = HeardStream(Tags(), "listener", "speaker", lambda: SoundJudge(own, ()), SampleKeeper(source))
    for n in range(450):
        if n < 50 or chance.random() >= loss:  # the first second is heard whole, so that it has a place in the clip
            at = n * 20_000
            payload = opus_payload(clip.packets[n], pack_stamp(1, 1, n, n, at))
            stream.hear(n, n * 960, payload, (1, 1, n, n, at), at + 30_000)
    stream.tick(60_000_000, 0)
    while stream.work():
        pass
    assert stream.keeper is not None
    sample = stream.keeper.sample()
    assert sample is not None
    return sample


def needs(method: Method) -> None:
    """Without the extra there is nothing to test, which on CI is a failure."""
    if not method.installed:
        sentence = f"{method.metric} needs its extra: {method.how_to_get}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(sentence)


def check_order(truth: Truth, name: str, scores: dict[str, float], slack: float = 0.0) -> None:
    """Each is worse than the one before, or at most `slack` better; the last is worse than the first by far more."""
    values = list(scores.values())
    rise = max(worse - better for better, worse in pairwise(values))
    fits = rise < slack or rise < 0
    words = "in order" if rise < 0 else f"one {rise:.2f} too high" if fits else "NOT in order"
    truth(name, " > ".join(scores), ", ".join(f"{value:.2f}" for value in values), words)
    assert fits
    assert values[0] - values[-1] > 0.1


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.metric)
def test_scores_beside_the_original_order_bitrates_and_losses(truth: Truth, method: Method) -> None:
    needs(method)

    def score(bitrate: int, loss: float) -> float:
        samples = [kept(bitrate, loss, seed) for seed in VOICES]
        return sum(method.score(sample.sent(), sample.received) for sample in samples) / len(samples)

    by_rate = {f"{bitrate // 1000} kbit/s": score(bitrate, 0.0) for bitrate in RATES}
    by_loss = {f"{loss:.0%}": score(24_000, loss) for loss in LOSSES}
    # ViSQOL cannot tell 24 from 12 kbit/s in our microphone's speech.
    check_order(truth, method.metric, by_rate, slack=0.05 if method.metric == "visqol_mos" else 0.0)
    check_order(truth, method.metric, by_loss)


def test_the_e_model_orders_them_as_well(truth: Truth) -> None:
    by_rate = {f"{bitrate // 1000} kbit/s": audio_opinion(50, 0, bitrate) for bitrate in RATES}
    by_loss = {f"{loss:.0%}": audio_opinion(50, loss, 24_000) for loss in LOSSES}
    check_order(truth, "audio_mos (E-model)", by_rate)
    check_order(truth, "audio_mos (E-model)", by_loss)
