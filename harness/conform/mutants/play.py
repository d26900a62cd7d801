"""PL: mutants of playing."""

from __future__ import annotations

from typing import Any

from harness.call.callbacks import MediaState, PlayerStateUpdated
from harness.call.errors import ErrorCode
from harness.conform.mutants.change import Edit, before, drop, edit, late, then, twice
from harness.conform.mutants.client_faults import drivers, heard
from harness.conform.mutants.mutant import Mutant
from harness.conform.mutants.service_faults import Method, logic, put, told
from harness.conform.mutants.trace_faults import callback, recorded
from harness.conform.run import Sabotage
from harness.conform.virtual_stage import VirtualStage
from harness.room_service.effects import Attach, Effect, Send

STATE, FIRST = "cb play.state", "cb play.first"


def _player(session: str, stream: str, state: str, code: int = 0) -> Send:
    return Send(session, {"event": "player_state", "stream": stream, "state": state, "code": code})


def _second_play(*states: MediaState) -> Sabotage:
    """A second play of a stream begins it anew."""

    def break_it(driver: Any) -> None:
        play, played = driver.play, set[str]()

        async def broken(stream: str, sink: Any) -> None:
            await play(stream, sink)
            if stream in played:
                for state in states:
                    driver.tell(PlayerStateUpdated(driver.room_id, stream, state))
            played.add(stream)

        put(driver, "play", broken)

    return drivers("bob#1", break_it)


def _unknown_play(state: str, code: int = 0) -> Sabotage:
    """The play of a stream that does not exist has an outcome at once."""

    def make(stage: VirtualStage, original: Method) -> Method:
        def play(session: str, stream: str) -> list[Effect]:
            effects: list[Effect] = list(original(session, stream))
            return [*effects, _player(session, stream, state, code)] if stream == "never" else effects

        return play

    return logic("play", make)


def _nobody_waits(stage: VirtualStage, original: Method) -> Method:
    """Who played a stream before it was live is forgotten when it is."""

    def stream_live(session: str, stream: str) -> list[Effect]:
        return [effect for effect in original(session, stream) if not isinstance(effect, Attach)]

    return stream_live


def _to_everybody(stage: VirtualStage, original: Method) -> Method:
    """Devices are told to the whole room, not to those who play the stream."""

    def mute(session: str, stream: str, kind: str, muted: bool) -> list[Effect]:
        effects: list[Effect] = original(session, stream, kind, muted)
        event = {"event": "device", "stream": stream, "kind": kind, "state": "mute" if muted else "open"}
        others = (other for other in stage.server.logic.sessions if other != session)
        return [*effects, *(Send(other, event) for other in others)]

    return mute


def _more(name: str, **args: Any) -> Edit:
    return callback(name, {"stream": "a1", **args})


def _inverted(event: dict[str, Any]) -> dict[str, Any]:
    return {**event, "state": "open" if event["state"] == "mute" else "mute"}


MUTANTS = (
    Mutant(
        "plays-without-being-requested", "PL-01", "LIVE comes without REQ before it.", "publish-play-stop",
        trace=recorded("bob#1", STATE, drop, state="REQ", nth=1),
        consequences=("PL-03",), because="first frames come after REQ, and there was none",
    ),
    Mutant(
        "playing-said-twice", "PL-01", "LIVE comes twice.", "publish-play-stop",
        stage=heard("bob#1", "play.state", twice, state="LIVE"),
    ),
    Mutant(
        "second-play-asks-anew", "PL-01", "A second play of a stream makes it REQ, then LIVE again.", "S01",
        stage=_second_play(MediaState.REQUESTING, MediaState.LIVE),
    ),
    Mutant(
        "second-play-starts-anew", "PL-01", "A second play of a stream ends it and begins it again.", "S01",
        stage=_second_play(MediaState.IDLE, MediaState.REQUESTING, MediaState.LIVE),
    ),
    Mutant(
        "plays-again-by-itself", "PL-01", "After unplay the stream is requested again without a call.",
        "publish-play-stop",
        trace=recorded(
            "bob#1", STATE,
            lambda record: [
                (0.0, record), (0.5, _more("play.state", state="REQ", code=0)(record)),
                (1.0, _more("play.state", state="IDLE", code=int(ErrorCode.PLAY_INTERRUPTED))(record)),
            ],
            state="IDLE",
        ),
    ),
    Mutant(
        "unplay-ends-late", "PL-02", "Unplay ends in IDLE after 4 s.", "publish-play-stop",
        stage=heard("bob#1", "play.state", late(4), state="IDLE"),
    ),
    Mutant(
        "quality-after-unplay", "PL-02", "Quality of a stream goes on after its unplay.", "publish-play-stop",
        trace=recorded("bob#1", STATE, then(_more("play.quality", bytes=9_000_000), 3), state="IDLE"),
    ),
    Mutant(
        "stall-after-unplay", "PL-02", "A stall is told of a stream that is not played any more.", "publish-play-stop",
        trace=recorded("bob#1", STATE, then(_more("play.stall", on=True, media="video"), 1), state="IDLE"),
    ),
    Mutant(
        "device-after-unplay", "PL-02", "A muted camera is told of a stream that is not played any more.",
        "unplay-and-mute", stage=logic("mute", _to_everybody),
    ),
    Mutant(
        "rendered-before-received", "PL-03", "The first video frame is rendered before it is received.",
        "publish-play-stop", trace=recorded("bob#1", FIRST, late(0.02), media="video", stage="received"),
    ),
    Mutant(
        "rendered-without-being-received", "PL-03", "Video is rendered of which nothing was received.",
        "publish-play-stop", trace=recorded("bob#1", FIRST, drop, media="video", stage="received"),
        consequences=("LV-06",), because="the first packet of a medium never comes",
    ),
    Mutant(
        "received-for-the-first-time-twice", "PL-03", "The first audio is received twice.", "publish-play-stop",
        trace=recorded("bob#1", FIRST, then(lambda record: record, 0.5), media="audio", stage="received"),
    ),
    Mutant(
        "received-before-being-requested", "PL-03", "The first video is received before REQ.", "publish-play-stop",
        trace=recorded("bob#1", FIRST, before(lambda record: record, 0.1), media="video", stage="received"),
    ),
    Mutant(
        "live-out-of-nothing", "PL-04", "The play of a stream that nobody publishes is LIVE.", "S16",
        stage=_unknown_play("LIVE"),
    ),
    Mutant(
        "unknown-stream-fails", "PL-04", "The play of a stream that is not there yet fails, and does not wait.", "S16",
        stage=_unknown_play("IDLE", ErrorCode.STREAM_NOT_FOUND),
    ),
    Mutant(
        "who-waits-is-forgotten", "PL-04", "Who played a stream before it was live never gets it.", "S16",
        stage=logic("stream_live", _nobody_waits),
    ),
    Mutant(
        "device-of-a-stream-not-played", "PL-05", "Devices are told to those who do not play the stream.", "S02",
        stage=logic("mute", _to_everybody),
    ),
    Mutant(
        "muted-camera-unknown-to-a-late-player", "PL-05", "Who plays later is not told that the camera is muted.",
        "S02", stage=told("dave", "device", drop),
    ),
    Mutant(
        "camera-stays-crossed-out", "PL-05", "The camera is opened again, and the players are not told.", "S01",
        stage=told("bob", "device", drop, kind="video", state="open"),
    ),
    Mutant(
        "devices-the-wrong-way-round", "PL-05", "Muted is told as open, and open as muted.", "S01",
        stage=told("bob", "device", edit(_inverted)),
    ),
)  # fmt: skip
