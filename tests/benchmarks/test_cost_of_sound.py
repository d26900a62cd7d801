"""What decoding and recognising sound costs, per stream and second, and what the scores of every subscription cost."""

from __future__ import annotations

import sys
import time
from typing import Any

import pytest

from harness.measure.recorder import Recorder, Tags
from harness.measure.subscription import SubscriptionMeasure
from harness.rtc.inbound import InboundAudio
from harness.sound.decoder import OpusDecoder
from harness.sound.heard_stream import HeardStream
from harness.sound.judge import Candidate, SoundJudge
from harness.sound.voice import voice
from synthetic_media.clip import load_audio
from synthetic_media.packetize import opus_payload
from synthetic_media.spec import AudioSpec
from synthetic_media.stamp import pack_stamp

SEED, LENGTH, SECONDS = 4096, 10.0, 10
SOUND_LIMIT_MS = 10.0  # per stream and second, all of it
SCORES_LIMIT_MS = 0.05  # of the 1.5 that a subscription at depth frames may take
ROUNDS = 5


def show(capsys: pytest.CaptureFixture[str], line: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n    {line}\n")


def test_sound_decoded_and_recognised(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """24 kbit/s, nothing lost: playout, decoding, level, correlation with the publisher's voice."""
    clip, own = load_audio(AudioSpec(24_000), SEED), Candidate("speaker", 1, (SEED, LENGTH))
    payloads = [opus_payload(packet, pack_stamp(1, 1, n, n, n * 20_000)) for n, packet in enumerate(clip.packets)]
    voice(SEED, LENGTH)
    best: dict[str, float] = {}

    def decoded() -> None:
        decoder = OpusDecoder()
        for payload in payloads:
            decoder.decode(payload)

    def recognised() -> None:
        stream, recorder = HeardStream(Tags(), "listener", "speaker", lambda: SoundJudge(own, ())), Recorder()
        for n, payload in enumerate(payloads):
            stream.hear(n, n * 960, payload, (1, 1, n, n, n * 20_000), n * 20_000 + 5_000)
            if n % 50 == 49:
                stream.tick((n + 1) * 20_000, 0)
                stream.work()
        row = stream.collect(recorder)
        assert row is not None
        assert row["counts"]["soundJudgedSeconds"] == SECONDS
        assert "soundWrongSeconds" not in row["counts"]

    def measure() -> None:
        for _ in range(ROUNDS):
            for name, work in (("decoding", decoded), ("all of it", recognised)):
                before = time.process_time()
                work()
                spent = (time.process_time() - before) * 1000 / SECONDS
                best[name] = min(best.get(name, 1e9), spent)

    benchmark.pedantic(measure, rounds=1, iterations=1)
    show(
        capsys,
        f"sound decoded: {best['decoding']:.2f} CPU-ms per stream-second; "
        f"with playout, level, voice and delay {best['all of it']:.2f}",
    )
    assert best["all of it"] <= SOUND_LIMIT_MS


def test_scores_of_every_subscription(benchmark: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Once a second: opinion, delivery score and offset, of a subscription with 30 pictures and 50 packets of sound."""
    best: dict[str, float] = {}

    def second(scored: bool) -> float:
        fps, bitrate = (30, 24_000) if scored else (0, 0)
        measure = SubscriptionMeasure(
            Recorder(), Tags(), publisher=1, stream=1, depth="frames", fps=fps, audio_bitrate=bitrate
        )
        measure.attach(InboundAudio(1, measure, [], depth="frames"))
        measure.first_packet(0, "video")
        spent = 0.0
        for step in range(1, 201):
            measure._latency = [float(n) for n in range(30)] if scored else []
            measure._sound_latency = [float(n) for n in range(50)] if scored else []
            measure.audio.captured += 50
            before = time.process_time()
            measure.flush(step * 1_000_000)
            spent += time.process_time() - before
        return spent * 1000 / 200

    def measure() -> None:
        for _ in range(ROUNDS):
            for name, scored in (("without", False), ("with", True)):
                best[name] = min(best.get(name, 1e9), second(scored))

    benchmark.pedantic(measure, rounds=1, iterations=1)
    added = best["with"] - best["without"]
    show(capsys, f"scores: {added * 1000:.0f} CPU-us per subscription-second, on {best['without'] * 1000:.0f}")
    assert added <= SCORES_LIMIT_MS
