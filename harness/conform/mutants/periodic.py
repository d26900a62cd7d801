"""QM: mutants of what comes again and again."""

from __future__ import annotations

from typing import Any

from harness.conform.mutants.change import again, drop, edit
from harness.conform.mutants.mutant import Mutant
from harness.conform.mutants.service_faults import told
from harness.conform.mutants.trace_faults import arguments, callback, recorded

PUBLISH, PLAY, NETWORK = "cb pub.quality", "cb play.quality", "cb net.quality"
SCENE = "publish-play-stop"


def _range(name: str, defect: str, record: str, **value: Any) -> Mutant:
    """One report holds a value that cannot be."""
    return Mutant(name, "QM-02", defect, SCENE, trace=recorded("", record, edit(arguments(**value)), nth=2))


MUTANTS = (
    Mutant(
        "quality-comes-twice", "QM-01", "Each report on quality comes twice, half a second apart.", SCENE,
        trace=recorded("alice#1", PUBLISH, again(0.5)),
    ),
    Mutant(
        "no-quality-of-what-is-published", "QM-01", "No report on quality of a published stream comes.", SCENE,
        trace=recorded("alice#1", PUBLISH, drop),
    ),
    Mutant(
        "no-quality-of-what-is-played", "QM-01", "Reports on quality of a played stream cease.", SCENE,
        trace=recorded("bob#1", PLAY, lambda record: [(0.0, record)] if record["t"] < 1009 else []),
    ),
    Mutant(
        "network-quality-comes-twice", "QM-01", "Each report on the network comes twice.", SCENE,
        trace=recorded("bob#1", NETWORK, again(0.5)),
    ),
    Mutant(
        "quality-before-playing", "QM-01", "Quality of a stream is reported before it is played.", SCENE,
        trace=recorded(
            "bob#1", "call play",
            lambda record: [(-0.5, callback("play.quality", {"stream": "a1", "bytes": 0})(record)), (0.0, record)],
        ),
    ),
    _range("loss-beyond-all", "Loss is given in percent.", PUBLISH, loss=1.5),
    _range("loss-below-nothing", "Loss is negative.", PLAY, loss=-0.01),
    _range("score-above-the-best", "The opinion score is above 5.", PLAY, mos=5.5),
    _range("score-below-the-worst", "The opinion score is below -1.", PLAY, mos=-2),
    _range("level-above-5", "The level is above 5.", PUBLISH, level=6),
    _range("level-below-0", "The level is below 0.", PLAY, level=-1),
    _range("frames-below-0", "The frame rate is negative.", PUBLISH, fps=-1),
    _range("bitrate-below-0", "The bitrate is negative.", PLAY, kbps=-0.5),
    _range("round-trip-below-0", "The round trip is negative.", PUBLISH, rtt=-3),
    _range("bytes-below-0", "The number of bytes is negative.", PLAY, bytes=-1),
    _range("bytes-go-down", "The number of bytes goes down.", PUBLISH, bytes=5),
    _range("uplink-level-above-5", "The network's level upwards is above 5.", NETWORK, up=6),
    _range("downlink-level-below-0", "The network's level downwards is below 0.", NETWORK, down=-1),
    Mutant(
        "no-count", "QM-03", "The number of users never comes.", "S01",
        stage=told("alice", "count", drop),
    ),
    Mutant(
        "count-comes-twice", "QM-03", "The number of users comes again after 5 s.", "S01",
        stage=told("bob", "count", again(5)),
    ),
    Mutant(
        "count-without-oneself", "QM-03", "The number of users leaves the client itself out.", "S01",
        stage=told("bob", "count", edit(lambda event: {**event, "users": event["users"] - 1})),
    ),
    Mutant(
        "count-of-strangers", "QM-03", "The number of users is more than can be there.", "S01",
        stage=told("alice", "count", edit(lambda event: {**event, "users": event["users"] + 1})),
    ),
)  # fmt: skip
