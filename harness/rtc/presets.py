"""Access networks by name. docs/networks.md says where each number comes from; times are one way, half a round trip."""

from __future__ import annotations

from harness.rtc.conditions import BurstLoss, Conditions, Link

PRESETS: dict[str, Conditions] = {
    # A good home network: a fibre line behind an access point that is not busy.
    "wifi": Conditions(
        up=Link(delay=0.004, jitter=0.002, distribution="exponential", loss=0.001, rate=5_000_000),
        down=Link(delay=0.004, jitter=0.002, distribution="exponential", loss=0.001, rate=20_000_000),
    ),
    # An access point that many share: packets wait for the air, and some are given up in a row.
    "wifi-congested": Conditions(
        up=Link(delay=0.005, jitter=0.02, distribution="exponential", burst=BurstLoss.of(0.02, 4), rate=1_500_000),
        down=Link(delay=0.005, jitter=0.02, distribution="exponential", burst=BurstLoss.of(0.02, 4), rate=4_000_000),
    ),
    "4g": Conditions(
        up=Link(delay=0.045, jitter=0.015, loss=0.002, rate=50_000_000),
        down=Link(delay=0.045, jitter=0.005, loss=0.002, rate=100_000_000),
    ),
    "3g": Conditions(
        up=Link(delay=0.15, jitter=0.05, loss=0.005, rate=768_000, queue=0.5),
        down=Link(delay=0.15, jitter=0.05, loss=0.005, rate=1_600_000, queue=0.5),
    ),
    "dsl": Conditions(
        up=Link(delay=0.025, rate=384_000, queue=0.5),
        down=Link(delay=0.025, rate=1_500_000),
    ),
    # A geostationary satellite.
    "satellite": Conditions(
        up=Link(delay=0.27, jitter=0.01, loss=0.005, rate=3_000_000),
        down=Link(delay=0.27, jitter=0.01, loss=0.005, rate=15_000_000),
    ),
    # A train under ground: handovers, and stretches between two antennas in which hardly anything passes.
    "subway": Conditions(
        up=Link(delay=0.06, jitter=0.03, burst=BurstLoss(p=0.002, r=0.02, good=0.002, bad=0.8), rate=2_000_000),
        down=Link(delay=0.06, jitter=0.03, burst=BurstLoss(p=0.002, r=0.02, good=0.002, bad=0.8), rate=8_000_000),
    ),
}
