"""What a listener would say of the sound, computed from delay and loss: the E-model of ITU-T G.107 (narrow-band).

R = 93.2 - Idd - Ie,eff: the recommendation's value for everything it calls by default, less what pure delay takes
(clause 7.4) and what codec and loss take (clause 7.5), turned into an opinion score by its annex B.

What it takes to know the codec, Ie and Bpl, the ITU publishes for its own codecs and not for Opus. Those here are
OURS: fitted to PESQ (narrow-band) of this project's synthetic speech through Opus with its own concealment. At 16, 24
and 32 kbit/s both were fitted, over 0 to 10 % of random loss, within 0.2 of a score. At 6, 8, 12 and 64 kbit/s only
the score without loss was measured, which gives Ie; Bpl is that of the nearest rate fitted. Between rates both are
interpolated over the logarithm of the rate, and beyond 6 and 64 kbit/s they are held: there a rate makes no difference.
"""

from __future__ import annotations

import math
from bisect import bisect_left

DEFAULT_R = 93.2  # with every parameter of G.107 at its default
NO_DELAY_MS = 100.0  # up to here pure delay takes nothing
BURSTINESS = (1.0, 2.0)  # the range of BurstR that G.107 has been checked for

# bits/s: (Ie, Bpl)
_OPUS = {
    6_000: (25.2, 18.6),
    8_000: (14.9, 18.6),
    12_000: (14.1, 18.6),
    16_000: (12.5, 18.6),
    24_000: (6.2, 15.1),
    32_000: (2.3, 13.1),
    64_000: (0.0, 13.1),
}
_RATES = tuple(_OPUS)


def delay_impairment(delay_ms: float) -> float:
    """Idd of a one-way delay from mouth to ear (G.107 clause 7.4, sT and mT at their defaults)."""
    if delay_ms <= NO_DELAY_MS:
        return 0.0
    x = math.log2(delay_ms / NO_DELAY_MS)
    return float(25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2))


def opus_constants(bitrate: float) -> tuple[float, float]:
    """(Ie, Bpl) of Opus with concealment at so many bits per second: ours, see above."""
    if bitrate <= _RATES[0]:
        return _OPUS[_RATES[0]]
    if bitrate >= _RATES[-1]:
        return _OPUS[_RATES[-1]]
    above = bisect_left(_RATES, bitrate)
    low, high = _RATES[above - 1], _RATES[above]
    part = math.log(bitrate / low) / math.log(high / low)
    (ie_low, bpl_low), (ie_high, bpl_high) = _OPUS[low], _OPUS[high]
    return ie_low + part * (ie_high - ie_low), bpl_low + part * (bpl_high - bpl_low)


def loss_impairment(lost_share: float, bitrate: float, burstiness: float = 1.0) -> float:
    """Ie,eff of Opus (G.107 clause 7.5). lost_share: of the frames, 0 to 1.

    burstiness: BurstR, the mean length of a burst of losses over that of losses at random; 1 means at random. It is
    held within the range that the recommendation has been checked for.
    """
    ie, bpl = opus_constants(bitrate)
    percent = 100 * min(1.0, max(0.0, lost_share))
    burst = min(BURSTINESS[1], max(BURSTINESS[0], burstiness))
    return ie + (95 - ie) * percent / (percent / burst + bpl)


def burst_ratio(lost: int, bursts: int, lost_share: float) -> float:
    """BurstR of so many lost frames in so many bursts; random losses of that share have bursts of 1 / (1 - share)."""
    return max(BURSTINESS[0], lost / bursts * (1 - lost_share)) if bursts > 0 < lost else BURSTINESS[0]


def opinion(r: float) -> float:
    """The mean opinion score, 1 to 4.5, that goes with a rating R (G.107 annex B)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)


def audio_opinion(delay_ms: float, lost_share: float, bitrate: float, burstiness: float = 1.0) -> float:
    """The score of Opus speech that came after so many milliseconds with such a share of its frames lost."""
    return opinion(DEFAULT_R - delay_impairment(delay_ms) - loss_impairment(lost_share, bitrate, burstiness))
