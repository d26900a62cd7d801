"""A plan in words: what `harness scenario explain` prints."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.scenario.network import describe_network
from harness.scenario.participant import Participant
from harness.scenario.quantity import format_duration

if TYPE_CHECKING:
    from harness.scenario.plan import Plan

_WORDS = {"mute_camera": "mute camera", "unmute_camera": "unmute camera"} | {
    "mute_microphone": "mute microphone",
    "unmute_microphone": "unmute microphone",
}


def explain(plan: "Plan", most: int | None) -> list[str]:
    """A summary, then a table of time, room, user and action; `most` limits its rows."""
    return [*_summary(plan), "", *_table(plan, most)]


def _summary(plan: "Plan") -> list[str]:
    expected = plan.expected()
    rooms = f"{len(plan.rooms)} room{'s' * (len(plan.rooms) != 1)}"
    lines = [
        f"{plan.scenario_name}: {expected.users} users in {rooms}, {format_duration(plan.duration)}, seed {plan.seed}",
        f"  expected: {expected.streams} streams, {expected.subscriptions} subscriptions",
    ]
    if any(participant.depths.share_of("decode") for participant in plan.participants):
        # Users who play only some of the streams may not come to play the ones that would be decoded.
        most = "up to " if any(participant.play.at_most is not None for participant in plan.participants) else ""
        lines.append(f"  decoded: {most}{sum(1 for _ in plan.decoded())} of these subscriptions")
    roles: dict[str, list[Participant]] = defaultdict(list)
    for participant in plan.participants:
        roles[participant.role].append(participant)
    lines += [f"  {len(members)} {role}: {_role(members[0])}" for role, members in roles.items()]
    lines += _networks(plan, roles)
    lines += [f"  must hold: {key} {expression}" for key, expression in plan.thresholds]
    lines += [f"  must hold {window}: {key} {expression}" for key, expression, window in plan.windowed]
    return lines


def _networks(plan: "Plan", roles: dict[str, list[Participant]]) -> list[str]:
    """Who is on which network, and what each is."""
    lines, used = [], set()
    for role, members in roles.items():
        counts = Counter(member.network for member in members if member.network is not None)
        if counts:
            used |= set(counts)
            parts = ", ".join(f"{number} on {name}" for name, number in counts.items())
            lines.append(f"  networks of {role}: {parts}")
    lines += [f"  {name}: {describe_network(found)}" for name, found in plan.networks.items() if name in used]
    return lines


def _role(one: Participant) -> str:
    sends = [f"camera {one.camera}"] if one.camera else []
    sends += [f"microphone {one.microphone}"] if one.microphone else []
    return f"{', '.join(sends) or 'sends nothing'}; plays {one.play}; observed at {one.depths}"


def _event_rows(plan: "Plan") -> Iterator[tuple[float, int, str, str, str]]:
    for event in plan.events:
        whom = f"{event.users} user{'s' * (event.users != 1)}"
        yield event.at, -1, "-", whom, f"{event.name} begins: {event.text}"
        if event.until < plan.duration:
            yield event.until, -1, "-", whom, f"{event.name} ends"


def _table(plan: "Plan", most: int | None) -> list[str]:
    rows = [
        (action.at, participant.index, participant.room_id, participant.user_id, _WORDS.get(action.kind, action.kind))
        for participant in plan.participants
        for action in participant.actions
    ]
    rows += list(_event_rows(plan))
    rows.sort(key=lambda row: row[:2])  # stable: what a user does at one moment keeps its order
    shown = rows if most is None else rows[:most]
    room = max(len("room"), *(len(row[2]) for row in rows))
    user = max(len("user"), *(len(row[3]) for row in rows))
    lines = [f"{'time':>10}  {'room':<{room}}  {'user':<{user}}  action"]
    lines += [f"{at:>9.3f}s  {where:<{room}}  {who:<{user}}  {what}" for at, _, where, who, what in shown]
    if len(shown) < len(rows):
        lines.append(f"... and {len(rows) - len(shown)} more")
    return lines
