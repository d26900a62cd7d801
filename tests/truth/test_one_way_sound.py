"""Sound that goes one way, is silent, or is somebody else's is caught by name; a muted microphone is no fault.

One run, a room per fault. Two members of each play each other and decode what they hear; the forwarder is broken.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from aiohttp import web

from harness.measure.catalogue import METRICS
from harness.room_service.forwarder import ForwardSink, ForwardSource, Publication
from harness.room_service.media import ForwarderMedia
from harness.room_service.server import RoomServer
from harness.room_service.settings import Settings
from harness.rtc.inbound import InboundStream
from harness.rtc.media_loop import MediaLoop
from harness.rtc.sections import Section
from harness.scenario.model import Scenario
from harness.scenario.participant import Action
from harness.scenario.plan import Plan, build_plan
from harness.services.reference import ReferenceService
from harness.swarm.generator import Generator
from harness.swarm.judgement import Measured
from harness.swarm.preparation import encode_clips
from harness.trace.clock import RunClock
from synthetic_media.encoder import _encode_samples
from synthetic_media.packetize import opus_payload
from synthetic_media.stamp import read_opus_stamp

Truth = Callable[[str, object, object, object], None]
SECRET = "a secret for tests, long enough to sign with"
LENGTH = 9
FAULTS = ("none", "swapped", "one way", "silent", "muted")
SILENCE = _encode_samples(np.zeros((4, 960), np.float32), 24_000)[0]


@dataclass
class Sabotage:
    """faults, partners: by the stamp id of a publisher."""

    faults: dict[int, str] = field(default_factory=dict)
    partners: dict[int, int] = field(default_factory=dict)
    sources: dict[int, MutantSound] = field(default_factory=dict)


class MutantSound(ForwardSource):
    """Forwards sound under sequence numbers of its own, so that headers never betray what it does."""

    def __init__(self, sabotage: Sabotage, sinks: list[ForwardSink], *args: Any) -> None:
        super().__init__("audio", *args)
        self.targets = sinks
        self._sabotage = sabotage
        self._sequence = 0

    def on_rtp(self, buffer, end, marker, sequence, timestamp, at, arrival_us) -> None:  # type: ignore[no-untyped-def]
        super().on_rtp(buffer, end, marker, sequence, timestamp, at, arrival_us)
        payload, targets, source = bytes(buffer[at:end]), self.targets, self
        stamp = read_opus_stamp(payload)
        assert stamp is not None
        self._sabotage.sources[stamp[0]] = self
        fault = self._sabotage.faults.get(stamp[0])
        if fault == "one way":
            return
        if fault == "silent":
            payload = opus_payload(SILENCE, payload[-32:])
        if fault == "swapped":
            other = self._sabotage.sources.get(self._sabotage.partners[stamp[0]])
            if other is None:
                return
            targets, source = other.targets, other
        source._sequence = (source._sequence + 1) & 0xFFFF
        for sink in targets:
            sink.forward(source._sequence, 0, timestamp, payload)


class MutantPublication(Publication):
    def __init__(self, sabotage: Sabotage, *args: Any) -> None:
        self._sabotage = sabotage
        super().__init__(*args)

    def _new_stream(self, section: Section, ssrc: int) -> InboundStream | None:
        if section.kind != "audio" or "audio" in self.sources:
            return super()._new_stream(section, ssrc)
        source = MutantSound(self._sabotage, self.sinks["audio"], ssrc, self._heard, self.peer.alerts)
        self.sources["audio"] = source
        return source


class MutantMedia(ForwarderMedia):
    def __init__(self, sabotage: Sabotage) -> None:
        super().__init__(["127.0.0.1"])
        self._sabotage = sabotage

    def publication(
        self, codecs: dict[str, str], on_live: Callable[[], None], on_end: Callable[[], None]
    ) -> Publication:
        return MutantPublication(self._sabotage, self._loop, self._addresses, codecs, on_live, on_end)


def plan() -> Plan:
    member = {
        "count": 2,
        "camera": {"size": "320x180", "fps": 25, "bitrate": 150_000},
        "microphone": True,
        "observe": "decode",
    }
    found = {"name": "one way", "rooms": len(FAULTS), "duration": f"{LENGTH}s", "arrival": "at_once"}
    made = build_plan(Scenario.model_validate({**found, "roles": {"member": member}}))
    people = list(made.participants)
    for person in made.by_room[made.rooms[FAULTS.index("muted")]]:
        *before, logout = person.actions
        muting = (Action(3.0, "mute_microphone"), Action(6.5, "unmute_microphone"))
        people[person.index] = replace(person, actions=(*before, *muting, logout))
    return replace(made, participants=tuple(people))


def sabotage(made: Plan) -> Sabotage:
    """`one way`: the first member's sound is dropped; every other fault is one of both."""
    found = Sabotage()
    for room, fault in zip(made.rooms, FAULTS, strict=True):
        first, second = made.by_room[room]
        found.partners |= {first.stamp_id: second.stamp_id, second.stamp_id: first.stamp_id}
        found.faults |= {p.stamp_id: fault for p in ((first,) if fault == "one way" else (first, second))}
    return found


async def run(made: Plan) -> tuple[Measured, dict[str, Counter[str]]]:
    """What was measured, and what was heard instead of each stream."""
    server = RoomServer(Settings(), SECRET, MutantMedia(sabotage(made)))
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    clock = RunClock()

    def service(media: MediaLoop) -> ReferenceService:
        return ReferenceService(f"http://127.0.0.1:{runner.addresses[0][1]}", SECRET, media, ["127.0.0.1"])

    generator = Generator(made, clock, clock.now_us(), service, lambda line: None)
    measured, instead = Measured(made), {p.stream_id or "": Counter[str]() for p in made.participants}

    def take(interval: dict[str, Any]) -> None:
        measured.add(interval)
        for row in interval["heard"]:
            instead[row["publisher"]].update(row["heard_instead"])

    async def collect() -> None:
        while True:
            await asyncio.sleep(1.0)
            take(generator.collect())

    collecting = asyncio.create_task(collect())
    try:
        await asyncio.gather(*(generator.run_participant(participant) for participant in made.participants))
        collecting.cancel()
        take(generator.collect())
    finally:
        await generator.close()
        await runner.cleanup()
    return measured, instead


Found = tuple[Plan, Measured, Mapping[str, Counter[str]]]


@pytest.fixture(scope="module")
def found() -> Found:
    made = plan()
    encode_clips(made, lambda what, done, total: None)
    measured, instead = asyncio.run(run(made))
    return made, measured, instead


def share(found: Found, name: str, fault: str) -> float:
    """The figure of a room. A share of nothing is no figure."""
    made, measured, _ = found
    series = measured.series(METRICS[name], {"room": made.rooms[FAULTS.index(fault)]})
    assert series.count, f"{name} was not measured in the room {fault}"
    return series.percentile(50) if METRICS[name].kind == "trend" else series.value


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_of_the_sound_is_caught_by_its_name_and_by_no_other(found: Found, truth: Truth, fault: str) -> None:
    made, measured, _ = found
    silent, gaps = share(found, "silent_audio_share", fault), share(found, "audio_gap_share", fault)
    stranger = share(found, "wrong_speaker_share", fault) if fault != "silent" else 0.0
    opinion = measured.totals.trend("audio_mos", {"room": made.rooms[FAULTS.index(fault)]})
    worst = f"{opinion.min:.2f}" if opinion.count else "not to be had"
    shown = f"silent {silent:.2f}, wrong speaker {stranger:.2f}, worst audio_mos {worst}"
    expected = {
        "none": silent == stranger == 0 and opinion.min > 4,
        "swapped": silent == 0 and stranger == 1 and not opinion.count,
        "one way": 0.3 < silent < 0.6 and stranger == 0 and opinion.min == 1,  # of two directions one
        "silent": silent == 1,
        "muted": silent == stranger == 0 and opinion.min > 4,
    }
    truth("sound", fault, shown, "none" if expected[fault] else "not as expected")
    assert expected[fault]
    assert gaps < 0.02, "no packets at all are no gap between packets, and a muted microphone leaves none"


def test_who_was_heard_instead_is_named(found: Found) -> None:
    made, _, instead = found
    for room, fault in zip(made.rooms, FAULTS, strict=True):
        first, second = made.by_room[room]
        if fault == "swapped":
            assert set(instead[first.stream_id or ""]) == {second.user_id}
            assert set(instead[second.stream_id or ""]) == {first.user_id}
        else:
            assert not instead[first.stream_id or ""] + instead[second.stream_id or ""]


def test_nothing_is_concealed_where_nothing_was_lost(found: Found) -> None:
    _, measured, _ = found
    assert measured.series(METRICS["concealed_share"], {}).value < 0.002
    assert measured.totals.counter(["soundFrames"], {}) > 8 * 300
