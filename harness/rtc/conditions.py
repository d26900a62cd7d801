"""What an access link does to the packets of one user: delay, jitter, loss, duplicates, a rate with its queue, outage.

Values only; `emulated_link` acts on them. Up and down are apart, as they are on every real access network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

DISTRIBUTIONS = ("normal", "uniform", "exponential")
QUEUE_SECONDS = 0.2  # of a rate whose queue is not given: what home routers and base stations hold, by order of size

# Up to these, media that does not come in time is the service's doing. Beyond them it may be the link's: publishers
# send up to some Mbit/s, a lost packet is asked for ten times, and deadlines for media are seconds.
CARRIES_LOSS, CARRIES_RATE, CARRIES_DELAY = 0.05, 2_000_000, 0.5


@dataclass(frozen=True)
class BurstLoss:
    """Gilbert-Elliott: a link that is good or bad, and changes from packet to packet.

    p: chance that a good link turns bad; r: that a bad one turns good. good, bad: share of packets lost in each state.
    """

    p: float
    r: float
    good: float = 0.0
    bad: float = 1.0

    @classmethod
    def of(cls, loss: float, length: float) -> BurstLoss:
        """With that mean loss (below 1), in bursts of `length` packets on average (1 or more): Gilbert's model."""
        r = 1 / length
        return cls(p=min(1.0, r * loss / (1 - loss)), r=r)

    @property
    def bad_share(self) -> float:
        """Share of packets that find the link bad, in the long run."""
        return self.p / (self.p + self.r) if self.p + self.r else 0.0

    @property
    def mean(self) -> float:
        """Share of packets lost, in the long run."""
        return self.bad_share * self.bad + (1 - self.bad_share) * self.good


@dataclass(frozen=True)
class Link:
    """One direction. Times in seconds, shares from 0 to 1.

    delay: of every packet. jitter: what its delay varies by: the standard deviation of `normal` (cut at three), half
    the width of `uniform`, the mean of what `exponential` adds. reorder: whether packets may overtake each other;
    without, a packet that is late holds up those behind it. burst: loss in bursts, in place of `loss`. duplicate: share
    of packets that come twice. rate: bits/s of IP packets, 0 for no limit. queue: seconds of that rate, or queue_bytes,
    that may wait before it; what finds no room is dropped. outage: nothing passes.
    """

    delay: float = 0.0
    jitter: float = 0.0
    distribution: str = "normal"
    reorder: bool = False
    loss: float = 0.0
    burst: BurstLoss | None = None
    duplicate: float = 0.0
    rate: int = 0
    queue: float = QUEUE_SECONDS
    queue_bytes: int = 0
    outage: bool = False

    @property
    def mean_loss(self) -> float:
        return self.burst.mean if self.burst is not None else self.loss

    @property
    def carries_media(self) -> bool:
        """Whether a call over this link starts as fast as deadlines for media expect."""
        return (
            not self.outage
            and self.mean_loss <= CARRIES_LOSS
            and (not self.rate or self.rate >= CARRIES_RATE)
            and self.delay + 3 * self.jitter <= CARRIES_DELAY
        )

    def to_dict(self) -> dict[str, Any]:
        """JSON values: what differs from a perfect link."""
        mine, perfect = asdict(self), asdict(_PERFECT)
        return {name: value for name, value in mine.items() if value != perfect[name]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Link:
        """What to_dict wrote. Raises TypeError for anything else."""
        given = dict(data)
        if isinstance(given.get("burst"), Mapping):
            given["burst"] = BurstLoss(**given["burst"])
        return cls(**given)


_PERFECT = Link()
LINK_KEYS = tuple(found.name for found in fields(Link))


@dataclass(frozen=True)
class Conditions:
    """A user's access network: what leaves passes `up`, what arrives has passed `down`."""

    up: Link = field(default_factory=Link)
    down: Link = field(default_factory=Link)

    @property
    def outage(self) -> bool:
        """Whether nothing passes, either way."""
        return self.up.outage and self.down.outage

    @property
    def carries_media(self) -> bool:
        """See Link.carries_media."""
        return self.up.carries_media and self.down.carries_media

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"up": self.up.to_dict(), "down": self.down.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Conditions:
        """What to_dict wrote. Raises KeyError or TypeError for anything else."""
        return cls(Link.from_dict(data["up"]), Link.from_dict(data["down"]))
