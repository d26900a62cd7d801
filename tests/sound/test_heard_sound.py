"""Decoded sound is known by its voice: whose it is, how late, how loud; silence and strangers are told apart."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from harness.measure.recorder import Recorder, Tags, Totals
from harness.rtc.inbound import ABSENT
from harness.sound.decoder import FRAME, LOOK_AHEAD, OpusDecoder
from harness.sound.heard_stream import HeardStream
from harness.sound.judge import FRAMES, QUIET_DBFS, Candidate, SoundJudge
from harness.sound.playout import FRAME_CLOCK
from harness.sound.sample import KEPT_RATE, SECONDS, SampleKeeper, Source
from harness.sound.voice import RATE, SURE, WINDOW, Voice, narrow, voice
from synthetic_media.clip import AudioClip, load_audio
from synthetic_media.encoder import _encode_samples
from synthetic_media.microphone import speech
from synthetic_media.packetize import opus_payload
from synthetic_media.spec import AudioSpec
from synthetic_media.stamp import pack_stamp

SEEDS = range(4096, 4104)  # the voices of a run's first room
LENGTH = 10.0
STEP = 20_000


def clip(seed: int = SEEDS[0], bitrate: int = 24_000) -> AudioClip:
    return load_audio(AudioSpec(bitrate), seed)


def person(number: int) -> Candidate:
    return Candidate(f"user {number}", number, (SEEDS[number], LENGTH))


@dataclass
class Ear:
    """Listens to user 0 of a room of four; `hear` feeds packets of a clip, `told` decodes and collects."""

    keeper: SampleKeeper | None = None
    recorder: Recorder = field(default_factory=Recorder)
    totals: Totals = field(default_factory=Totals)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stream = HeardStream(
            Tags("viewer"), "me", "user 0", lambda: SoundJudge(person(0), [person(n) for n in (1, 2, 3)]), self.keeper
        )

    def hear(
        self,
        packets: Iterable[tuple[int, bytes]],
        *,
        whose: int = 0,
        late_us: int = 30_000,
        stamped: bool = True,
        shift: int = 0,
        muted: int = 0,
    ) -> None:
        """(number, Opus packet) pairs. shift: frames by which the stamp's clip frame is ahead of the sound. muted:
        frames that were not sent before, so that RTP's sequence numbers are behind by them."""
        for number, packet in packets:
            at = number * STEP
            position = (number + shift) % 500
            stamp = (whose, whose, number, position, at)
            payload = opus_payload(packet, pack_stamp(*stamp)) if stamped else packet
            given = stamp if stamped else ABSENT
            self.stream.hear((number - muted) & 0xFFFF, number * FRAME_CLOCK, payload, given, at + late_us)

    def told(self, now_us: int = 1 << 40, missing_us: int = 0) -> dict[str, float]:
        """Sums of all counters so far, and medians of what was sampled."""
        self.stream.tick(now_us, missing_us)
        while self.stream.work():
            pass
        row = self.stream.collect(self.recorder)
        self.rows += [row] if row else []
        self.totals.add(self.recorder.flush())
        trends = {name: histogram.percentile(50) for (name, _), histogram in self.totals.trends.items()}
        return {name: value for (name, _), value in self.totals.counters.items()} | trends


def own(count: int = 300, seed: int = SEEDS[0], bitrate: int = 24_000) -> list[tuple[int, bytes]]:
    return list(enumerate(clip(seed, bitrate).packets[:count]))


# -- the voice -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("bitrate", "loss"), [(8_000, 0.0), (24_000, 0.02), (24_000, 0.05), (64_000, 0.1)])
def test_every_voice_of_the_bank_is_found_in_its_place_and_mistaken_for_no_other(bitrate: int, loss: float) -> None:
    worst_own, best_other, apart = 1.0, 0.0, []
    for seed in SEEDS:
        chance, decoder = random.Random(seed), OpusDecoder()
        packets = clip(seed, bitrate).packets
        sound = np.concatenate([decoder.decode(p) if chance.random() >= loss else decoder.conceal() for p in packets])
        for second in range(1, 9):
            window = narrow(sound[second * 48_000 : (second + 1) * 48_000])
            expected = (second * 48_000 - LOOK_AHEAD) / 6
            place = voice(seed, LENGTH).near(window, expected + 700)
            worst_own = min(worst_own, place.likeness)
            if place.likeness >= SURE:
                apart.append(abs(place.position - expected) / RATE * 1000)
            others = [voice(other, LENGTH).anywhere(window).likeness for other in SEEDS if other != seed]
            best_other = max(best_other, *others)
    assert best_other < SURE - 0.08
    assert worst_own >= (SURE if loss <= 0.05 else 0.5)
    assert np.percentile(apart, 95) < 0.2, "milliseconds"
    assert max(apart) < 10, "behind a loss libopus may go on off by a period of the voice's pitch"


def test_both_searches_find_the_same_place_across_the_end_of_the_clip() -> None:
    found = voice(SEEDS[0], LENGTH)
    loop = np.tile(narrow(speech(SEEDS[0], LENGTH)), 2)
    for start in (0, 40_000, 79_000, 79_999):
        window = loop[start : start + WINDOW]
        for place in (found.near(window, start - 3_000), found.anywhere(window)):
            apart = (place.position - start + 40_000) % 80_000 - 40_000
            assert abs(apart) < 0.5
            assert place.likeness > 0.99


def test_the_level_of_a_place_is_that_of_its_second() -> None:
    samples = np.concatenate([np.full(48_000, 0.1), np.full(96_000, 0.01)]).astype(np.float32)
    found = Voice(samples)
    assert found.level(0) == pytest.approx(-20, abs=0.1)
    assert found.level(12_000) == pytest.approx(-40, abs=0.5)
    assert found.quietest() == pytest.approx(-40, abs=0.1)


# -- the decoder -----------------------------------------------------------------------------------------------------


def test_a_stamped_packet_decodes_to_the_same_samples_and_a_refused_one_is_concealed() -> None:
    plain, stamped = OpusDecoder(), OpusDecoder()
    for number, packet in own(50):
        assert np.array_equal(
            plain.decode(packet), stamped.decode(opus_payload(packet, pack_stamp(1, 1, number, number, 5)))
        )
    assert len(stamped.decode(b"\xff\xff\xff")) == FRAME
    assert len(stamped.decode(b"")) == FRAME
    assert stamped.refused == 1


def test_concealment_goes_on_with_the_voice_instead_of_falling_silent() -> None:
    decoder = OpusDecoder()
    levels = []
    for number, packet in own(200):
        before = decoder.decode(packet)
        if number % 20 == 19:
            levels.append((float(np.std(before)), float(np.std(decoder.conceal()))))
    loud = [(before, after) for before, after in levels if before > 0.02]
    assert len(loud) >= 4
    assert all(after > before / 8 for before, after in loud)
    assert not OpusDecoder().conceal().any(), "before the first packet there is nothing to go on with"


# -- seconds ---------------------------------------------------------------------------------------------------------


def test_the_publishers_own_voice_is_known_with_its_delay_and_level() -> None:
    ear = Ear()
    ear.hear(own(), late_us=87_000)
    told = ear.told()
    assert told["soundSeconds"] == told["soundJudgedSeconds"] == told["soundSpokenSeconds"] == 6
    assert not told.keys() & {"soundWrongSeconds", "soundSilentSeconds", "soundQuietSeconds", "soundConcealed"}
    assert told["sound_delay_ms"] == pytest.approx(87, abs=0.3)
    assert told["sound_level_dbfs"] == pytest.approx(-26, abs=3)
    assert 0.5 < told["soundActiveFrames"] / told["soundJudgedFrames"] < 0.95
    assert ear.rows[0]["values"]["likeness"][0] > 0.8


def test_sound_that_is_older_than_its_stamps_say_is_later_by_that_much() -> None:
    ear = Ear()
    ear.hear(own(), shift=10)  # 200 ms
    assert ear.told()["sound_delay_ms"] == pytest.approx(230, abs=0.3)
    far = Ear()
    far.hear(own(), shift=100)  # further than the near search reaches
    assert far.told()["sound_delay_ms"] == pytest.approx(2030, abs=0.3)


def test_a_swapped_voice_is_another_of_the_room_by_name_whatever_the_stamps_say() -> None:
    for whose in (0, 2):
        ear = Ear()
        ear.hear(own(seed=SEEDS[2]), whose=whose)
        told = ear.told()
        assert told["soundWrongSeconds"] == told["soundJudgedSeconds"] == 6
        assert ear.rows[0]["heard_instead"] == {"user 2": 6}
        assert "sound_delay_ms" not in told


def test_a_voice_of_nobody_in_the_room_is_wrong_too() -> None:
    ear = Ear()
    ear.hear(own(seed=SEEDS[7]))
    told = ear.told()
    assert told["soundWrongSeconds"] == told["soundJudgedSeconds"] == 6
    assert ear.rows[0]["heard_instead"] == {}


def test_a_voice_without_stamps_is_known_but_not_how_late_it_is() -> None:
    ear = Ear()
    ear.hear(own(), stamped=False)
    told = ear.told()
    assert told["soundJudgedSeconds"] == 6
    assert "soundWrongSeconds" not in told
    assert "sound_delay_ms" not in told


def test_silent_packets_are_silence_where_the_publisher_spoke() -> None:
    nothing = np.zeros((150, FRAME), np.float32)
    hiss = np.random.default_rng(1).normal(0, 10 ** (-55 / 20), (150, FRAME)).astype(np.float32)
    for samples, stamped in ((nothing, True), (nothing, False), (hiss, True)):
        ear = Ear()
        ear.hear(enumerate(_encode_samples(samples, 24_000)), stamped=stamped)
        told = ear.told()
        assert told["soundSilentSeconds"] == told["soundSpokenSeconds"] == told["soundQuietSeconds"] == 3
        assert "soundJudgedSeconds" not in told, "of silence nobody can be told"
        assert told["sound_level_dbfs"] < QUIET_DBFS


def test_no_packets_beside_a_live_picture_are_silence_and_the_seconds_add_up() -> None:
    ear = Ear()
    ear.hear(own(100))
    ear.told(3_000_000, 970_000)
    ear.told(4_000_000, 1_970_000)
    told = ear.told(5_000_000, 2_970_000)
    assert told["soundSilentSeconds"] == pytest.approx(2.97)
    assert told["soundSpokenSeconds"] == pytest.approx(2 + 2.97)
    assert told["soundGapSeconds"] == pytest.approx(5 - 2.01)
    assert told["soundHeardSeconds"] == pytest.approx(5 - 0.03)


def test_a_muted_microphone_leaves_no_gap_and_no_silence() -> None:
    ear = Ear()
    ear.hear(own(100))
    ear.told(2_100_000)
    ear.stream.interrupt()
    ear.told(6_000_000)
    ear.hear([(n + 250, packet) for n, packet in own(100)], shift=-250, muted=150)  # opened again after 3 s
    told = ear.told(10_000_000)
    ear.stream.interrupt()
    assert told["soundFrames"] == 200
    assert told["soundSeconds"] == 4
    assert not told.keys() & {"soundConcealed", "soundSilentSeconds", "soundWrongSeconds"}
    assert told.get("soundGapSeconds", 0) == pytest.approx(10 - (349 * 0.02 + 0.03), abs=0.01), "only the open end"


def test_what_is_concealed_is_counted_and_the_voice_still_known() -> None:
    chance = random.Random(3)
    kept = [(n, packet) for n, packet in own(500) if n in (0, 499) or chance.random() >= 0.05]
    ear = Ear()
    ear.hear(kept)
    told = ear.told()
    assert told["soundFrames"] == 500
    assert told["soundConcealed"] == 500 - len(kept)
    assert "soundWrongSeconds" not in told
    assert told["sound_delay_ms"] == pytest.approx(30, abs=0.5)


def test_a_voice_lost_under_concealment_is_not_called_a_strangers() -> None:
    kept = [(n, packet) for n, packet in own(500) if n % 5 in (0, 1)]  # three of five lost
    ear = Ear()
    ear.hear(kept)
    told = ear.told()
    assert told["soundUnsureSeconds"] > 0
    assert "soundWrongSeconds" not in told


def test_lips_are_sound_less_picture_of_the_same_second() -> None:
    ear = Ear()
    ear.hear(own(), late_us=90_000)
    for n in range(150):
        ear.stream.shown(n * 40_000 + 50_000, n * 40_000)
    assert ear.told()["av_offset_ms"] == pytest.approx(40, abs=0.3)
    unseen = Ear()
    unseen.hear(own())
    assert "av_offset_ms" not in unseen.told(), "without pictures there are no lips"


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_the_eight_seconds_with_most_concealed_are_kept_in_line_with_what_was_sent() -> None:
    keeper = SampleKeeper(Source("me", "user 0", "viewer", "r", "vp8", SEEDS[0], LENGTH))
    ear = Ear(keeper)
    packets = clip().packets
    lost = {n for n in range(450, 800) if n % 25 == 7}
    ear.hear((n, packets[n % 500]) for n in range(900) if n not in lost)
    ear.told()
    sample = keeper.sample()
    assert sample is not None
    assert sample.concealed == len(lost)
    sent, received = sample.sent(), sample.received
    assert len(sent) == len(received) == SECONDS * KEPT_RATE
    part = slice(7 * KEPT_RATE, 8 * KEPT_RATE)
    likeness = float(np.corrcoef(sent[part], received[part])[0, 1])
    assert likeness > 0.8, "still in line at the end"
    assert not np.array_equal(sent, received)


def test_seconds_apart_are_never_kept_as_one() -> None:
    keeper = SampleKeeper(Source("me", "user 0", "viewer", "r", "vp8", SEEDS[0], LENGTH))
    ear = Ear(keeper)
    ear.hear(own(350))
    ear.hear([(n + 500, packet) for n, packet in own(350)], muted=150)
    ear.told()
    assert FRAMES * SECONDS > 350
    assert keeper.sample() is None
