"""A file that cannot be used is refused in one line: file, line, key, what is allowed."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from harness.scenario import ScenarioError, load_scenario
from harness.scenario.loader import parse_scenario
from harness.scenario.source import MOST_BYTES

GOOD = """\
# yaml-language-server: $schema=./scenario.schema.json
name: team meeting
rooms: 3
seed: 7
roles:
  member:
    count: 4
    camera: {size: 640x360, fps: 25, bitrate: 500k, codec: vp8}
    microphone: {bitrate: 24k}
    play: {roles: [member], at_most: 3}
    stay: 40s..60s
    churn:
      leave: {every: 20s..40s, away: 3s..8s}
      republish: {every: 15s, away: 2s}
      mute: {every: 10s, for: 3s, device: microphone}
  watcher:
    count: {choices: {2: 50%, 4: 50%}}
arrival: {ramp: 10s}
duration: 60s
observe: frames
thresholds:
  join_time_ms: ["p(95)<1000"]
  frame_latency_ms{role:member}: ["p(99)<250", {threshold: "p(50)<100", abortOnFail: true, delayAbortEval: 10s}]
"""


def refusal(text: str | bytes) -> str:
    raw = text.encode() if isinstance(text, str) else text
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(raw, "x.yaml")
    return str(caught.value)


def assert_names(message: str, line: int | None, key: str, *words: str) -> None:
    where = "x.yaml" if line is None else f"x.yaml:{line}"
    assert message.startswith(f"{where}: {key}: " if key else f"{where}: "), message
    assert "\n" not in message and message.isprintable()
    for word in words:
        assert word in message, message


def test_the_good_file_is_accepted() -> None:
    assert parse_scenario(GOOD.encode(), "x.yaml").rooms == 3


SECOND = "thresholds.frame_latency_ms{role:member}[1]"
BAD = [
    # unknown keys
    ("fps: 25", "fsp: 25", 8, "roles.member.camera.fsp", "did you mean fps?", "size, fps, bitrate, codec"),
    ("rooms: 3", "room: 3", 3, "room", "unknown key, did you mean rooms?", "duration, observe, thresholds"),
    ("seed: 7", "zzz: 7", 4, "zzz", "unknown key; allowed: name"),
    ("for: 3s", "on: 3s", 15, "roles.member.churn.mute.on", "every, for, device"),
    ("abortOnFail", "abort", 23, f"{SECOND}.abort", "threshold, abortOnFail"),
    ("{ramp: 10s}", "{rampe: 10s}", 18, "arrival.rampe", "did you mean ramp?", "ramp, poisson"),
    ("choices:", "choice:", 17, "roles.watcher.count.choice", "allowed: choices"),
    # wrong types and values
    ("640x360", "641x360", 8, "roles.member.camera.size", "641x360 is not a size", "320x180, 640x360, 1280x720"),
    ("fps: 25", "fps: fast", 8, "roles.member.camera.fps", "fast is not a whole number", "5 to 60"),
    ("fps: 25", "fps: 25.5", 8, "roles.member.camera.fps", "25.5 is not a whole number"),
    ("fps: 25", "fps: 61", 8, "roles.member.camera.fps", "out of range", "5 to 60"),
    ("bitrate: 500k", "bitrate: 500kbps", 8, "roles.member.camera.bitrate", "not a bitrate", "50k to 8M"),
    ("bitrate: 500k", "bitrate: 49k", 8, "roles.member.camera.bitrate", "out of range", "50k to 8M"),
    ("bitrate: 24k", "delay: 501ms", 9, "roles.member.microphone.delay", "not an offset", "-500ms to 500ms"),
    (
        "count: {choices: {2: 50%, 4: 50%}}",
        "{count: 1, microphone: {delay: -60ms}}",
        17,
        "roles.watcher.microphone.delay",
        "no picture to hold back",
        "0ms to 500ms",
    ),
    ("bitrate: 24k", "bitrate: 129k", 9, "roles.member.microphone.bitrate", "out of range", "6k to 128k"),
    ("codec: vp8", "codec: vp9", 8, "roles.member.camera.codec", "vp9", "allowed: vp8, h264"),
    ("camera: {", "camera: 5 # {", 8, "roles.member.camera", "5 is not possible here", "true, off, or a mapping"),
    ("play: {roles: [member], at_most: 3}", "play: some", 10, "roles.member.play", "some", "all, none, {at_most: 6}"),
    ("at_most: 3", "at_most: -1", 10, "roles.member.play.at_most", "out of range", "0 to 1000"),
    ("roles: [member]", "roles: member", 10, "roles.member.play.roles", "not a list of roles", "[speaker]"),
    ("device: microphone", "device: phone", 15, "roles.member.churn.mute.device", "allowed: camera, microphone"),
    ("rooms: 3", "rooms: true", 3, "rooms", "true is not a whole number", "1 to 10000"),
    ("name: team meeting", "name: 2024", 2, "name", "2024 is not text", "in quotes"),
    ("name: team meeting", "name: ''", 2, "name", "0 characters", "1 to 80"),
    ("name: team meeting", 'name: "a\\nb"', 2, "name", "control characters"),
    ("every: 15s", "every: 15", 14, "roles.member.churn.republish.every", "15 has no unit", "ms, s, m or h"),
    ("duration: 60s", "duration: 1:30", 19, "duration", "1:30 is not a duration"),
    ("duration: 60s", "duration: 60 s", 19, "duration", "60 s is not a duration", "1s to 24h"),
    ("duration: 60s", "duration: [60s]", 19, "duration", "a list is not a duration"),
    ("duration: 60s", "duration:", 19, "duration", "an empty value is not a duration"),
    ("{ramp: 10s}", "soon", 18, "arrival", "soon is not possible here", "at_once, {ramp: 10s} or {poisson: 2/s}"),
    ("{ramp: 10s}", "{}", 18, "arrival", "names 0 ways"),
    ("{ramp: 10s}", "{ramp: 1s, poisson: 2/s}", 18, "arrival", "names 2 ways", "at_once"),
    ("{ramp: 10s}", "{poisson: 2}", 18, "arrival.poisson", "2 is not a rate", "30/min"),
    ("abortOnFail: true", "abortOnFail: 1", 23, f"{SECOND}.abortOnFail", "1 is not possible", "true, false"),
    ('["p(95)<1000"]', "[]", 22, "thresholds.join_time_ms", "empty list"),
    ('["p(95)<1000"]', "[1000]", 22, "thresholds.join_time_ms[0]", "1000 is not a threshold", "p(95)<1000"),
    # impossible numbers
    ("rooms: 3", "rooms: 0", 3, "rooms", "0 is out of range", "1 to 10000"),
    ("count: 4", "count: 0", 7, "roles.member.count", "0 is out of range", "1 to 1000"),
    ("count: 4", "count: 1001", 7, "roles.member.count", "1 to 1000"),
    ("count: 4", "count: many", 7, "roles.member.count", "many is not a count", "2..5"),
    ("count: 4", "count: 5..2", 7, "roles.member.count", "runs backwards", "2..5"),
    ("count: 4", "count: 999", 5, "roles", "a room may have 1003 users", "1 to 1000"),
    ("rooms: 3", "rooms: 9999", 3, "rooms", "79992 users", "1 to 20000"),
    ("2: 50%", "2: 40%", 17, "roles.watcher.count.choices", "sum to 90%", "100%"),
    ("2: 50%", "2: 0%", 17, "roles.watcher.count.choices.2", "0% is not a share"),
    ("2: 50%", "0: 50%", 17, "roles.watcher.count.choices.0", "1 to 1000"),
    ("stay: 40s..60s", "stay: 60s..40s", 11, "roles.member.stay", "runs backwards", "40s..60s"),
    ("duration: 60s", "duration: 25h", 19, "duration", "out of range", "1s to 24h"),
    ("duration: 60s", "duration: 0s", 19, "duration", "out of range", "1s to 24h"),
    ("duration: 60s", "duration: 5s", 18, "arrival.ramp", "10s is longer than the run", "up to 5s"),
    ("{ramp: 10s}", "{poisson: 1/min}", 18, "arrival.poisson", "24 users at 1/min take longer", "0.4/s or more"),
    ("seed: 7", "seed: -1", 4, "seed", "0 to 4294967295"),
    ("seed: 7", f"seed: {'9' * 5000}", 4, "seed", "not a number that can be read"),
    ("roles: [member]", "roles: [membr]", 10, "roles.member.play.roles[0]", "membr is not a role", "member, watcher"),
    ("  watcher:", "  Watcher:", 16, "roles.Watcher", "not a role name", "a-z, 0-9, _ and -"),
    ("microphone: {bitrate: 24k}", "microphone: off", 15, "roles.member.churn.mute.device", "no microphone", "camera"),
    # observe
    ("observe: frames", "observe: pixels", 20, "observe", "pixels is not a depth", "packets, frames"),
    ("observe: frames", "observe: {frames: 100%, decode: 0%}", 20, "observe.decode", "0% is not a share", "above 0%"),
    ("observe: frames", "observe: {frames: 50%, packets: 40%}", 20, "observe", "sum to 90%", "100%"),
    ("observe: frames", "observe: {frames: 150%}", 20, "observe.frames", "150% is not a share"),
    # thresholds
    ("join_time_ms", "join_time", 22, "thresholds.join_time", "did you mean join_time_ms?", "frame_latency_ms"),
    ("p(95)<1000", "p(95)", 22, "thresholds.join_time_ms[0]", "p(95) is not a threshold", "avg, min, med"),
    ("p(95)<1000", "rate<1", 22, "thresholds.join_time_ms[0]", "which is a trend", "p(N)"),
    ("p(50)<100", "p(101)<1", 23, SECOND, "p(0) to p(100)"),
    ("{role:member}", "{role:membr}", 23, "thresholds.frame_latency_ms{role:membr}", "member, watcher"),
    ("{role:member}", "{rolle:member}", 23, "thresholds.frame_latency_ms{rolle:member}", "role, room, codec"),
    ("{role:member}", "{codec:vp9}", 23, "thresholds.frame_latency_ms{codec:vp9}", "vp8, h264, opus"),
    ("{role:member}", "{room:r9}", 23, "thresholds.frame_latency_ms{room:r9}", "team-meeting-r01 to team-meeting-r03"),
    # YAML
    ("name: team", "name: [team", 3, "", "is not YAML"),
    ("count: 4", "count: !!python/object/apply:os.system [ls]", 7, "roles.member.count", "python/object"),
    ("count: 4", "count: !count 4", 7, "roles.member.count", "the tag !count", "without tags"),
    ("count: 4", "count: !!binary NA==", 7, "roles.member.count", "the tag !!binary"),
    ("count: 4", "count: !!int four", 7, "roles.member.count", "four is not a number"),
    ("rooms: 3", "rooms: 3\nrooms: 4", 4, "rooms", "stands twice, first in line 3", "each key once"),
    ("rooms: 3", "? [a, b]\n: 3", 3, "", "a key is a list"),
    ("observe: frames", "observe: frames\n---\nname: other", 21, "", "second document", "one document"),
    ("rooms: 3", "rooms: &a [*a]", 3, "rooms[0]", "contains itself"),
    ("rooms: 3", "rooms: " + "[" * 60 + "]" * 60, 3, "", "nests too deep", "50 levels"),
    ("rooms: 3", "rooms: " + "[" * 50_000, 3, "", "nests too deep", "50 levels"),
    ("rooms: 3", "rooms: [" + "1, " * 11_000 + "]", 3, "", "too many values", "10000"),
    ("rooms: 3", "rooms: *nowhere", 3, "", "is not YAML", "undefined alias"),
    ("rooms: 3", "rooms: \x07", 3, "", "is not YAML"),
    ("rooms: 3", 'rooms: "\\UFFFFFFFF"', 1, "", "is not YAML"),
]


@pytest.mark.parametrize(("good", "bad", "line", "key", "words"), [(*case[:4], case[4:]) for case in BAD])
def test_a_bad_line_is_refused_with_its_line_key_and_what_is_allowed(
    good: str, bad: str, line: int, key: str, words: tuple[str, ...]
) -> None:
    assert good in GOOD
    message = refusal(GOOD.replace(good, bad, 1))
    assert_names(message, line, key, *words)
    assert "allowed: " in message or "needed: " in message


@pytest.mark.parametrize("key", ["name", "roles", "duration"])
def test_a_missing_key_is_named(key: str) -> None:
    text = re.sub(rf"^{key}:.*\n(  .*\n)*", "", GOOD, flags=re.M)
    assert_names(refusal(text), 2, key, "is missing; needed: name, roles, duration")


@pytest.mark.parametrize("whole", ["mute: {every: 10s}", "republish: {away: 1s}", "leave: {}"])
def test_a_missing_key_further_down_is_named(whole: str) -> None:
    text = f"name: a\nroles:\n  m:\n    count: 2\n    camera: true\n    churn:\n      {whole}\nduration: 9s\n"
    message = refusal(text)
    assert message.startswith(f"x.yaml:7: roles.m.churn.{whole.partition(':')[0]}.")
    assert "is missing; needed: every, " in message


@pytest.mark.parametrize(
    ("churn", "key", "words"),
    [
        ("republish: {every: 5s, away: 1s}", "churn.republish", "publishes nothing"),
        ("mute: {every: 5s, for: 1s}", "churn.mute.device", "has no microphone"),
        ("{}", "churn", "names nothing to do; allowed: leave, republish, mute"),
    ],
)
def test_churn_that_a_watcher_cannot_do_is_refused(churn: str, key: str, words: str) -> None:
    text = f"name: a\nroles:\n  watcher:\n    count: 2\n    churn:\n      {churn}\nduration: 9s\n"
    line = 5 if key == "churn" else 6
    assert_names(refusal(text), line, f"roles.watcher.{key}", words, "allowed: ")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, "is empty"),
        ("# nothing\n", 1, "is empty"),
        ("\n\n- a\n", 3, "a list is not a mapping"),
        ("hello", 1, "hello is not a mapping"),
        ("roles: [a]\nname: a\nduration: 5s\n", 1, "a list is not a mapping of roles"),
        ("roles: {}\nname: a\nduration: 5s\n", 1, "at least one name"),
        ("roles: {a: 5}\nname: a\nduration: 5s\n", 1, "5 is not a mapping; allowed: a mapping with count, camera"),
    ],
)
def test_text_of_another_shape_is_refused(text: str, line: int, words: str) -> None:
    message = refusal(text)
    assert message.startswith(f"x.yaml:{line}: ") and words in message and "allowed: " in message


def test_a_yaml_bomb_is_refused_at_once() -> None:
    levels = "\n".join(f"k{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12))
    began = time.perf_counter()
    message = refusal(f"k0: &a0 [lol]\n{levels}\n")
    assert time.perf_counter() - began < 5
    assert "expands to too many values; allowed: 10000" in message and "x.yaml:" in message


def test_a_few_aliases_are_welcome() -> None:
    text = "name: a\nroles:\n  one: {count: 1, camera: &c {fps: 15}}\n  two: {count: 1, camera: *c}\nduration: 5s\n"
    scenario = parse_scenario(text.encode(), "x.yaml")
    assert scenario.roles["one"].camera == scenario.roles["two"].camera


def test_the_first_of_several_faults_is_named() -> None:
    text = GOOD.replace("fps: 25", "fps: 1").replace("rooms: 3", "rooms: 0").replace("duration: 60s", "duration: 1")
    assert_names(refusal(text), 3, "rooms", "out of range")


def test_bytes_that_are_no_utf8_are_refused_with_their_line() -> None:
    assert_names(refusal(b"name: a\nrooms: \xff\n"), 2, "", "not UTF-8", "allowed: ")


def test_a_byte_order_mark_is_no_fault() -> None:
    assert parse_scenario(b"\xef\xbb\xbf" + GOOD.encode(), "x.yaml").seed == 7


def test_a_file_too_large_is_refused_unread() -> None:
    assert_names(refusal(b"#" * (MOST_BYTES + 1)), None, "", "larger than 1000000 bytes", "allowed: ")
    with pytest.raises(ScenarioError, match="larger than"):
        load_scenario("/dev/zero")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.yaml"
    with pytest.raises(ScenarioError) as caught:
        load_scenario(path)
    assert str(caught.value).startswith(f"{path}: there is no such file; allowed: ")


def test_a_directory_and_a_name_with_nul_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="is a directory; allowed"):
        load_scenario(tmp_path)
    with pytest.raises(ScenarioError, match="cannot be read"):
        load_scenario("a\0b.yaml")


def test_what_the_system_refuses_to_open_is_refused_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ScenarioError, match=r"cannot be read \(Not a directory\); allowed: "):
        load_scenario(tmp_path / "file" / "x.yaml")


def loads_or_refuses(raw: bytes) -> None:
    try:
        parse_scenario(raw, "x.yaml")
    except ScenarioError as error:
        message = str(error)
        assert message.startswith("x.yaml") and message.isprintable() and len(message) < 2000


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))))
@settings(max_examples=150, deadline=None)
@example(b'name: "\\ud800"\nroles: {a: {count: 1}}\nduration: 5s')
@example(b"%YAML 1.9\n---\na: b")
@example(b"<<: {a: b}")
@example(b"!!map 5")
@example(b"? !!python/name:os.system x\n: 1")
@example(b"&" + b"a" * 99)
def test_any_bytes_at_all_load_or_are_refused(raw: bytes) -> None:
    loads_or_refuses(raw)


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["5s", "1..3", "2/s", "50%", "off", "all", "frames", "p(95)<1", "9" * 400 + "s", "1" * 30 + "k"]),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner))
FIELDS = (
    "count: 4", "{size: 640x360, fps: 25, bitrate: 500k, codec: vp8}", "fps: 25", "bitrate: 500k", "codec: vp8",
    "{bitrate: 24k}", "{roles: [member], at_most: 3}", "[member]", "at_most: 3", "stay: 40s..60s", "away: 2s",
    "{choices: {2: 50%, 4: 50%}}", "{ramp: 10s}", "10s}\nduration", "duration: 60s", "observe: frames", "rooms: 3",
    '["p(95)<1000"]', "abortOnFail: true", "name: team meeting", "seed: 7", "{every: 15s, away: 2s}",
)  # fmt: skip


@given(st.sampled_from(FIELDS), VALUES)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_value_in_any_place_loads_or_is_refused(field: str, value: object) -> None:
    import yaml

    flow = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9).removesuffix("...\n").strip()
    key, colon, _ = field.partition(": ")
    written = f"{key}: {flow}" if colon and "{" not in key else flow
    loads_or_refuses(GOOD.replace(field, written, 1).encode("utf-8", "replace"))
