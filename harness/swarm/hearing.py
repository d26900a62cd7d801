"""The sound that this process decodes: what each is held against, and of which some seconds are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from harness.measure.recorder import Tags
from harness.picture.pool import DecoderPool
from harness.scenario.participant import Participant
from harness.scenario.plan import Plan
from harness.sound.heard_stream import HeardStream
from harness.sound.judge import Candidate, SoundJudge
from harness.sound.sample import SampleKeeper, SoundSample, Source
from harness.swarm.publication import clip_seed
from synthetic_media.spec import AudioSpec

MOST_SAMPLES = 8  # streams of which some seconds are kept: 1 MB each while they play


class Hearing:
    """Of one process."""

    def __init__(self, plan: Plan, decoders: DecoderPool) -> None:
        self._plan, self._decoders = plan, decoders
        self._kept: list[HeardStream] = []
        self._given = 0

    def listen(self, subscriber: Participant, publisher: Participant, tags: Tags) -> HeardStream | None:
        """Decode the sound of what one plays of the other; None when there is none to decode."""
        if publisher.microphone is None:
            return None
        found = heard_stream(subscriber, publisher, self._plan.by_room[publisher.room_id], self._plan.seed, tags)
        if len(self._kept) + self._given >= MOST_SAMPLES:
            found.keeper = None
        else:
            self._kept.append(found)
        found.schedule = self._decoders.sound(found)
        return found

    def samples(self) -> list[SoundSample]:
        """Of streams that came to their end since the last time."""
        over = [stream for stream in self._kept if stream.ended and not stream.waiting]
        self._kept = [stream for stream in self._kept if stream not in over]
        found = [sample for stream in over if stream.keeper and (sample := stream.keeper.sample()) is not None]
        self._given += len(found)
        return found


def heard_stream(
    subscriber: Participant, publisher: Participant, room: Iterable[Participant], run_seed: int, tags: Tags
) -> HeardStream:
    """room: everybody in it."""
    stream, own = publisher.stream_id or "", _candidate(publisher, run_seed)
    judge = sound_judge(publisher, room, run_seed)
    source = Source(subscriber.user_id, stream, tags.role, tags.room, tags.codec, *own.clip)
    return HeardStream(tags, subscriber.user_id, stream, judge, SampleKeeper(source))


def sound_judge(publisher: Participant, room: Iterable[Participant], run_seed: int) -> Callable[[], SoundJudge]:
    """Makes a judge of what is heard of this publisher; slow the first time, so not for the media loop."""
    others = [_candidate(p, run_seed) for p in room if p.microphone is not None and p.user_id != publisher.user_id]
    return partial(SoundJudge, _candidate(publisher, run_seed), others)


def _candidate(participant: Participant, run_seed: int) -> Candidate:
    assert participant.microphone is not None
    clip = (clip_seed(run_seed, participant.clip), AudioSpec(participant.microphone.bitrate).seconds)
    return Candidate(participant.user_id, participant.stamp_id, clip)
