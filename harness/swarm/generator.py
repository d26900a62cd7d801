"""What one load-generating process is made of: media loop, service, recorder, health, trace, its participants."""

from __future__ import annotations

import asyncio
import gc
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.measure.health import GeneratorHealth
from harness.measure.recorder import Recorder, Tags
from harness.picture.decoded_stream import DecodedStream
from harness.picture.pool import DecoderPool
from harness.rtc.media_loop import MediaLoop
from harness.scenario.participant import Participant
from harness.scenario.plan import Plan
from harness.services.service import Service
from harness.swarm.decoding import picture_judge
from harness.swarm.hearing import Hearing
from harness.swarm.participant import CallParticipant
from harness.trace.clock import RunClock
from harness.trace.writer import TraceWriter

GENERATOR_REST = 0.015  # seconds the socket poller rests; kernel timestamps keep arrival times exact meanwhile

DRAIN_SECONDS = 3.0  # at the end, for what is still to be decoded

GARBAGE_THRESHOLD = 50_000  # allocations between looks for cyclic garbage; Python's own is 700

ServiceFactory = Callable[[MediaLoop], Service]


def calm_garbage_collector() -> None:
    """Clips and plan live as long as the process, and packets leave no cycles: looking for garbage among them again
    and again costs CPU and stops the loop for milliseconds."""
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD, 20, 100)


@dataclass(frozen=True)
class Step:
    """One entry for Locust's statistics. error: None when it succeeded."""

    name: str
    elapsed_ms: float
    error: Exception | None


class Generator:
    """Create on the asyncio loop. started_us: the run clock's reading at which the plan's time 0 is."""

    def __init__(
        self,
        plan: Plan,
        clock: RunClock,
        started_us: int,
        make_service: ServiceFactory,
        trace_sink: Callable[[bytes], None],
        tokens: Callable[[Participant], str] | None = None,
    ) -> None:
        self.plan = plan
        self.clock = clock
        self.media = MediaLoop(rest=GENERATOR_REST, clock_offset_us=clock.offset_us)
        self.service = make_service(self.media)
        self.recorder = Recorder()
        self.decoders = DecoderPool()
        self.hearing = Hearing(plan, self.decoders)
        self.health = GeneratorHealth(self._socket_drops, self.decoders)
        self.media.on_sent_late = self.health.sent_late_us.append
        self.trace = TraceWriter(clock, trace_sink)
        self.steps: deque[Step] = deque()
        self.participants: set[CallParticipant] = set()
        self._started_us = started_us
        self._tokens = tokens
        self._by_stream = {p.stream_id: p for p in plan.participants if p.stream_id is not None}
        self._drops_of_closed = 0
        self._drops_seen: dict[int, int] = {}
        calm_garbage_collector()

    # -- for participants ----------------------------------------------------------------------------------------

    def now_us(self) -> int:
        return self.media.now_us()

    def at_us(self, at: float) -> int:
        """Run-clock microsecond of a second of the plan."""
        return self._started_us + round(at * 1_000_000)

    async def sleep_until(self, at: float) -> None:
        wait = (self.at_us(at) - self.now_us()) / 1_000_000
        if wait > 0:
            await asyncio.sleep(wait)

    def publisher(self, stream_id: str) -> Participant | None:
        return self._by_stream.get(stream_id)

    def token(self, participant: Participant) -> str:
        if self._tokens is not None:
            return self._tokens(participant)
        return self.service.token(participant.user_id, participant.room_id)

    def decoded(self, subscriber: Participant, publisher: Participant, tags: Tags) -> DecodedStream | None:
        """Decode what one plays of the other; None when there is no picture to decode."""
        camera = publisher.camera
        if camera is None:
            return None
        judge = picture_judge(publisher, self.plan.seed)
        return self.decoders.stream(
            tags, subscriber.user_id, publisher.stream_id or "", camera.fps, judge, camera.codec
        )

    def step(self, name: str, elapsed_ms: float, error: Exception | None = None) -> None:
        self.steps.append(Step(name, elapsed_ms, error))

    # -- for the process -----------------------------------------------------------------------------------------

    async def run_participant(self, participant: Participant) -> None:
        """The whole of one participant's part."""
        simulated = CallParticipant(self, participant)
        self.participants.add(simulated)
        try:
            await simulated.run()
        finally:
            self.participants.discard(simulated)

    def collect(self) -> dict[str, Any]:
        """One interval: gauges now, and everything measured since the last call."""
        now = self.now_us()
        playing = 0
        for participant in self.participants:
            for subscription in participant.subscriptions.values():
                subscription.measure.flush(now)
                playing += subscription.measure.first_frame_us is not None
        if not self.participants:
            self.decoders.drain(DRAIN_SECONDS)  # nobody's packets wait any more
        decoded, kept = self.decoders.collect(self.recorder)
        heard = self.decoders.collect_sound(self.recorder)
        for participant in self.participants:
            if participant.network is not None:
                participant.network.count()
        measured = self.recorder.flush()
        return {
            "t": (now - self._started_us) / 1_000_000,
            "users": sum(participant.inside for participant in self.participants),
            "publishing": sum(participant.publishing for participant in self.participants),
            "playing": playing,
            "subscriptions": sum(len(participant.subscriptions) for participant in self.participants),
            "health": self.health.flush(),
            "clock_uncertainty_us": self.clock.uncertainty_us,
            "decoded": decoded,
            "pictures": [{**one.to_dict(), "t": (one.finding.at_us - self._started_us) / 1_000_000} for one in kept],
            "heard": heard,
            "sound_samples": [sample.to_dict() for sample in self.hearing.samples()],
            **measured,
        }

    def _socket_drops(self) -> int:
        """Datagrams dropped by the kernel over the life of all sockets, closed ones included as last seen."""
        current = {id(peer): peer.transport.socket_drops() for peer in self.media.peers}
        self._drops_of_closed += sum(n for peer, n in self._drops_seen.items() if peer not in current)
        self._drops_seen = current
        return self._drops_of_closed + sum(current.values())

    async def close(self) -> None:
        self.health.close()
        self.decoders.close()
        await self.service.close()
        await self.media.close()
