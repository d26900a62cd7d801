"""The sound that this process decodes: what each is held against, and of which some seconds are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from harness.measure.recorder import Recorder, Tags
from harness.picture.pool import DecoderPool
from harness.scenario.participant import Participant
from harness.scenario.plan import Plan
from harness.sound.heard_stream import HeardStream
from harness.sound.judge import Candidate, SoundJudge
from harness.sound.sample import SampleKeeper, SoundSample, Source
from harness.sound.voice import voice
from harness.swarm.publication import clip_seed
from synthetic_media.spec import AudioSpec

MOST_SAMPLES = 8  # streams of which some seconds are kept: 1 MB each while they play


class VoiceBank:
    """Makes the voices that will be listened for, one at a time, before the first is needed: see picture.pool.Decoded.

    The first takes a second, as scipy's signal processing is loaded for it.
    """

    def __init__(self, clips: Iterable[tuple[int, float]]) -> None:
        self._clips = list(clips)
        self.scheduled, self.ended, self.undecoded = False, True, 0

    @property
    def waiting(self) -> int:
        return len(self._clips)

    def work(self) -> bool:
        if not self._clips:
            return False
        voice(*self._clips[-1]).quietest()
        self._clips.pop()
        return True

    def collect(self, recorder: Recorder) -> None:
        return None


class Hearing:
    """Of one process."""

    def __init__(self, plan: Plan, decoders: DecoderPool) -> None:
        self._plan, self._decoders = plan, decoders
        speakers = {publisher for _, publisher in plan.decoded() if publisher.microphone is not None}
        bank = VoiceBank({_candidate(speaker, plan.seed).clip for speaker in speakers})
        if bank.waiting:
            decoders.sound(bank)(bank)
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
