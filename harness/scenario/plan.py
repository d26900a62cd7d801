"""The plan of a run: who does what, when. It follows from the scenario and the seed alone, and travels as JSON."""

import hashlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property, partial
from typing import Any

import numpy as np
from pydantic import ValidationError

from harness.rtc.conditions import Conditions
from harness.scenario import explanation
from harness.scenario.course import course
from harness.scenario.errors import ImpossibleError, ScenarioError
from harness.scenario.event import PlannedEvent
from harness.scenario.model import LARGEST_SEED, LONGEST_RUN, MOST_ROOMS, MOST_USERS, Scenario, check_arrival
from harness.scenario.naming import room_name, stamp_id, stream_id, user_id, user_name
from harness.scenario.network_plan import NetworkPlan
from harness.scenario.participant import Participant
from harness.scenario.participant_json import (
    participant_from_dict,
    participant_to_dict,
    role_from_dict,
    role_to_dict,
)
from harness.scenario.quantity import format_duration, format_share
from harness.scenario.role import Role
from harness.scenario.window import Window, parse_window

# A subscription is expected only if subscriber and stream are there together for so long without a break.
LEAST_TOGETHER = 3.0
MOST_ACTIONS = 1_000_000
_NEVER_TOO_SHORT = 1e-6  # times are kept to the microsecond; their differences are not


@dataclass(frozen=True)
class Expected:
    """How much a run is to bring about. users and streams: every one of the plan; subscriptions: see Plan.expects."""

    users: int
    streams: int
    subscriptions: int


@dataclass(frozen=True)
class Plan:
    """Everybody's part in a run.

    duration: seconds. rooms: room ids in order. participants: by arrival, index i at position i. thresholds: what
    judges the run, as (metric key, expression) pairs. windowed: what judges a part of it, with that part. networks: the
    states of emulated networks, by name. events: what changes them, by time.
    """

    scenario_name: str
    seed: int
    duration: float
    rooms: tuple[str, ...]
    participants: tuple[Participant, ...]
    thresholds: tuple[tuple[str, str], ...] = ()
    windowed: tuple[tuple[str, str, Window], ...] = ()
    networks: dict[str, Conditions] = field(default_factory=dict)
    events: tuple[PlannedEvent, ...] = ()

    @cached_property
    def by_room(self) -> dict[str, tuple[Participant, ...]]:
        """The participants of each room, by arrival."""
        rooms: dict[str, list[Participant]] = {room: [] for room in self.rooms}
        for participant in self.participants:
            rooms[participant.room_id].append(participant)
        return {room: tuple(members) for room, members in rooms.items()}

    def wants(self, subscriber: Participant, publisher: Participant) -> bool:
        """Whether the subscriber's policy asks for the publisher's stream when it is there; at_most apart."""
        return (
            subscriber.room_id == publisher.room_id
            and subscriber.user_id != publisher.user_id
            and publisher.stream_id is not None
            and subscriber.play.allows(publisher.role)
        )

    def expects(self, subscriber: Participant, publisher: Participant) -> bool:
        """Whether the stream should come to play: it is wanted, and at some time the subscriber is in the room while
        the stream is published, for LEAST_TOGETHER seconds without a break. at_most apart.
        """
        return self.wants(subscriber, publisher) and any(
            min(left, hidden) - max(came, shown) >= LEAST_TOGETHER - _NEVER_TOO_SHORT
            for came, left in subscriber.presences
            for shown, hidden in publisher.publications
        )

    def expected(self) -> Expected:
        """Users, streams, and subscriptions: the pairs that `expects` names, each counted once however often it
        breaks, and of one subscriber no more than its at_most.
        """
        return self.expected_of(lambda participant: True)

    def expected_of(self, chosen: Callable[[Participant], bool], until: float | None = None) -> Expected:
        """What `expected` says, of the chosen users, their streams and the subscriptions they hold.

        until: only what comes about in the first so many seconds, as when a run ends early.
        """
        members = [p for p in self.participants if until is None or p.actions[0].at < until]
        rooms: dict[str, list[Participant]] = {}
        for member in members:
            rooms.setdefault(member.room_id, []).append(member)
        picked = [member for member in members if chosen(member)]
        end = self.duration if until is None else until
        streams = sum(any(shown < end for shown, _ in member.publications) for member in picked)
        subscriptions = sum(
            _subscriptions(room, [member for member in room if chosen(member)], end) for room in rooms.values()
        )
        return Expected(len(picked), streams, subscriptions)

    def depth_of(self, subscriber: Participant, publisher: Participant) -> str:
        """How deep this subscription is looked into: drawn by the subscriber's shares from the seed and the pair."""
        if len(subscriber.depths.shares) == 1:
            return subscriber.depths.shares[0][0]
        pair = f"{self.seed}/depth/{subscriber.user_id}/{publisher.user_id}".encode()
        point = int.from_bytes(hashlib.blake2b(pair, digest_size=6).digest(), "big") / 2**48
        return subscriber.depths.pick(point)

    def decoded(self) -> Iterator[tuple[Participant, Participant]]:
        """The expected subscriptions (subscriber, publisher) at depth decode; at_most apart."""
        for members in self.by_room.values():
            publishers = [member for member in members if member.stream_id is not None]
            for subscriber in members:
                if subscriber.depths.share_of("decode"):
                    for publisher in publishers:
                        if self.depth_of(subscriber, publisher) == "decode" and self.expects(subscriber, publisher):
                            yield subscriber, publisher

    def explain(self, most: int | None = None) -> list[str]:
        """Readable lines: a summary, then who does what when; `most` limits the actions listed."""
        return explanation.explain(self, most)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain JSON values. What all of a role share is written once."""
        roles = {p.role: p for p in self.participants}
        return {
            "scenario_name": self.scenario_name,
            "seed": self.seed,
            "duration": self.duration,
            "rooms": list(self.rooms),
            "thresholds": [list(pair) for pair in self.thresholds],
            "windowed": [[key, expression, str(window)] for key, expression, window in self.windowed],
            "networks": {name: conditions.to_dict() for name, conditions in self.networks.items()},
            "events": [asdict(event) for event in self.events],
            "roles": {name: role_to_dict(participant) for name, participant in roles.items()},
            "participants": [participant_to_dict(participant) for participant in self.participants],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Plan":
        """The plan that to_dict wrote. Raises ScenarioError for anything else."""
        try:
            roles = {name: role_from_dict(shared) for name, shared in data["roles"].items()}
            return cls(
                scenario_name=data["scenario_name"],
                seed=data["seed"],
                duration=data["duration"],
                rooms=tuple(data["rooms"]),
                participants=tuple(participant_from_dict(part, roles) for part in data["participants"]),
                thresholds=tuple((key, expression) for key, expression in data["thresholds"]),
                windowed=tuple((key, found, parse_window(window)) for key, found, window in data.get("windowed", ())),
                networks={name: Conditions.from_dict(found) for name, found in data.get("networks", {}).items()},
                events=tuple(PlannedEvent(**event) for event in data.get("events", ())),
            )
        except (KeyError, TypeError, ValueError, AttributeError, ValidationError) as error:
            what = type(error).__name__
            raise ScenarioError(f"plan: is not a plan ({what}); allowed: what Plan.to_dict wrote") from None


def _subscriptions(members: list[Participant], subscribers: list[Participant], end: float) -> int:
    """The expected subscriptions that some users of one room hold, up to a time: `Plan.expects` over all pairs, in
    arrays, as a room may have 1000.
    """
    publishers = [member for member in members if member.stream_id is not None]
    shown = np.array([s for p in publishers for s, _ in p.publications])
    hidden = np.array([min(h, end) for p in publishers for _, h in p.publications])
    whose = np.array([i for i, p in enumerate(publishers) for _ in p.publications], dtype=np.intp)
    position = {publisher.user_id: i for i, publisher in enumerate(publishers)}
    total = 0
    for member in subscribers:
        plays = np.zeros(len(publishers), dtype=bool)
        for came, left in member.presences:
            together = np.minimum(hidden, min(left, end)) - np.maximum(shown, came) >= LEAST_TOGETHER - _NEVER_TOO_SHORT
            plays[whose[together]] = True
        if member.play.roles is not None:
            plays &= np.array([member.play.allows(publisher.role) for publisher in publishers], dtype=bool)
        if member.user_id in position:
            plays[position[member.user_id]] = False
        count = int(plays.sum())
        total += count if member.play.at_most is None else min(count, member.play.at_most)
    return total


@dataclass(frozen=True)
class _Seat:
    """A place in a room: the `number`-th (from 1) of a role, the `order`-th to arrive there."""

    room: int
    order: int
    role: str
    role_position: int
    number: int
    clip: int


def build_plan(
    scenario: Scenario, seed: int | None = None, users: int | None = None, duration: float | None = None
) -> Plan:
    """The plan of one run of a scenario. Raises ScenarioError when the overrides make it impossible.

    seed, duration (seconds): instead of the scenario's. users: exactly so many participants, by adding rooms or
    leaving some out, rooms filled in order. Each user's draws come from generators of its own, named by the seed and
    its id, so that one more user changes nobody's id, stay or churn (arrival times, which are shared out, may move).
    """
    run = _Run(
        scenario,
        scenario.seed if seed is None else seed,
        scenario.duration if duration is None else duration,
    )
    if not 0 <= run.seed <= LARGEST_SEED:
        raise ScenarioError(f"seed: {run.seed} is out of range; allowed: 0 to {LARGEST_SEED}")
    if not 1 <= run.duration <= LONGEST_RUN:
        raise ScenarioError(f"duration: {run.duration:g} seconds are out of range; allowed: 1s to 24h")
    if users is not None and not 1 <= users <= MOST_USERS:
        raise ScenarioError(f"users: {users} is out of range; allowed: 1 to {MOST_USERS}")
    return run.plan(users)


@dataclass(frozen=True)
class _Run:
    """A scenario with its overrides, on the way to a plan. Methods raise ScenarioError."""

    scenario: Scenario
    seed: int
    duration: float

    def plan(self, users: int | None) -> Plan:
        seats = list(self.seats(users))
        self.check_effort(seats)
        if self.scenario.filling == "evenly":  # by place in the room first; seats come room by room
            seats.sort(key=lambda seat: (seat.order, seat.room))
        times = self.arrivals(len(seats))
        networks = NetworkPlan(self.scenario, self.duration, lambda *names: self.dice(*names).random())
        timed = enumerate(zip(seats, times, strict=True))
        participants = tuple(self.participant(seat, i, at, networks) for i, (seat, at) in timed)
        rooms = (room_name(self.scenario.name, number) for number in sorted({seat.room for seat in seats}))
        judged = self.scenario.effective_thresholds()
        entries = [(key, entry.threshold, entry.window) for key, found in judged.items() for entry in found]
        made = Plan(
            scenario_name=self.scenario.name,
            seed=self.seed,
            duration=self.duration,
            rooms=tuple(rooms),
            participants=participants,
            thresholds=tuple((key, expression) for key, expression, window in entries if window is None),
            windowed=tuple((key, expression, window) for key, expression, window in entries if window is not None),
            networks=networks.networks,
            events=networks.events(),
        )
        self.check_decoded(made)
        return made

    def dice(self, *names: str) -> random.Random:
        """A generator of its own for every name."""
        return random.Random("/".join((str(self.seed), *names)))

    def seats(self, users: int | None) -> Iterator[_Seat]:
        """The places of all rooms, room by room; exactly `users` of them if it is given."""
        left = users if users is not None else MOST_USERS
        room = 0
        while left > 0 and (users is not None or room < self.scenario.rooms):
            room += 1
            if room > MOST_ROOMS:
                raise ScenarioError(f"users: {users} need more than {MOST_ROOMS} rooms; allowed: fewer or fuller rooms")
            for seat in list(self.room(room))[:left]:
                yield seat
                left -= 1

    def room(self, room: int) -> Iterator[_Seat]:
        """The places of one room, role by role; each role's number is drawn by itself."""
        order = clip = 0
        for position, (name, role) in enumerate(self.scenario.roles.items()):
            for number in range(1, role.count.draw(self.dice(f"r{room}", name, "count")) + 1):
                yield _Seat(room, order, name, position, number, clip if role.publishes else 0)
                order += 1
                clip += role.publishes

    def check_effort(self, seats: list[_Seat]) -> None:
        """Refuses churn so dense that the plan itself would be too large to hold."""
        for name, number in Counter(seat.role for seat in seats).items():
            actions = number * _most_actions(self.scenario.roles[name], self.duration)
            if actions > MOST_ACTIONS:
                raise ScenarioError(
                    f"roles.{name}.churn: asks for up to {actions:.0f} actions in {format_duration(self.duration)}; "
                    f"allowed: {MOST_ACTIONS}, by rarer churn or fewer users"
                )

    def check_decoded(self, plan: Plan) -> None:
        """Refuses a share of decoded subscriptions so small that the seed picks none: nothing would be measured."""
        asked = {name for name in self.scenario.roles if self.scenario.depths(name).share_of("decode")}
        if not asked:
            return
        found = set()
        for subscriber, _ in plan.decoded():
            found.add(subscriber.role)
            if found == asked:
                return
        for name in sorted(asked - found):
            count = plan.expected_of(partial(_has_role, name)).subscriptions
            if count:
                where = f"roles.{name}.observe" if self.scenario.roles[name].observe else "observe"
                share = format_share(self.scenario.depths(name).share_of("decode"))
                raise ScenarioError(
                    f"{where}.decode: {share} picks none of the {count} subscriptions of role {name} with seed "
                    f"{self.seed}; allowed: a share that picks at least one, or another seed"
                )

    def arrivals(self, users: int) -> list[float]:
        """Seconds at which users arrive, in order. A ramp of T has a user every T/users, the first at 0."""
        arrival = self.scenario.arrival
        try:
            check_arrival(arrival, users, self.duration)
        except ImpossibleError as error:
            raise ScenarioError(f"{'.'.join(map(str, error.where))}: {error}") from None
        if arrival.ramp is not None:
            return [round(arrival.ramp * i / users, 6) for i in range(users)]
        if arrival.poisson is not None:
            # Given how many arrive in a time, the moments of a Poisson process are uniform over it: all users fit.
            rng, window = self.dice("arrival"), users / arrival.poisson
            return sorted(min(round(rng.uniform(0, window), 6), self.duration) for _ in range(users))
        return [0.0] * users

    def participant(self, seat: _Seat, index: int, at: float, networks: NetworkPlan) -> Participant:
        """Who sits there, arriving `at` seconds."""
        scenario, role = self.scenario, self.scenario.roles[seat.role]
        identity = user_id(seat.room, seat.role, seat.number)
        stay = role.stay.draw(self.dice(identity, "stay")) if role.stay else self.duration
        leave_at = min(round(at + stay, 6), self.duration)
        network, changes = networks.of(seat.role, identity)
        return Participant(
            index=index,
            user_id=identity,
            user_name=user_name(seat.role, seat.number),
            room_id=room_name(scenario.name, seat.room),
            role=seat.role,
            arrive_at=at,
            leave_at=leave_at,
            camera=role.camera,
            microphone=role.microphone,
            play=role.play,
            depths=scenario.depths(seat.role),
            stream_id=stream_id(scenario.name, seat.room, seat.role, seat.number) if role.publishes else None,
            clip=seat.clip,
            stamp_id=stamp_id(seat.room, seat.role_position, seat.number),
            actions=course(role, at, leave_at, lambda name: self.dice(identity, name)),
            network=network,
            changes=changes,
        )


def _has_role(name: str, participant: Participant) -> bool:
    return participant.role == name


def _most_actions(role: Role, duration: float) -> float:
    churn = role.churn
    if churn is None:
        return 3
    cycles = [kind.every.low + kind.away.low for kind in (churn.leave, churn.republish) if kind is not None]
    if churn.mute is not None:
        cycles.append(churn.mute.every.low + churn.mute.muted.low)
    return 3 + sum(3 * duration / cycle for cycle in cycles)
