"""What is left of an offer in our answer: never more than was offered, never what we do not know."""

from __future__ import annotations

from dataclasses import replace

from aiortc.rtcdtlstransport import RTCDtlsFingerprint
from aiortc.rtcicetransport import RTCIceParameters
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.rtc import sections
from harness.rtc.sections import CODECS, H264, OPUS, VP8, Section, answering_section, read_description

FINGERPRINT = RTCDtlsFingerprint(algorithm="sha-256", value=":".join(["AB"] * 32))
URIS = st.sampled_from([sections.AUDIO_LEVEL, sections.SEND_TIME, sections.MID, "urn:example:unknown"])
FEEDBACK = st.sampled_from(
    [("nack", None), ("nack", "pli"), ("ccm", "fir"), ("transport-cc", None), ("goog-lntf", None)]
)


def written(*described: Section) -> str:
    return sections.write_description(
        described,
        candidates=[],
        ice=RTCIceParameters(usernameFragment="user", password="p" * 22),
        fingerprints=[FINGERPRINT],
        dtls_role="auto",
        cname="me",
        version=3,
    )


@st.composite
def described(draw: st.DrawFn, mid: str) -> Section:
    kind = draw(st.sampled_from(["audio", "video"]))
    codecs = [OPUS] if kind == "audio" else draw(st.sampled_from([[VP8], [H264], [VP8, H264], [H264, VP8]]))
    sends = draw(st.booleans())
    return Section(
        mid,
        kind,
        "sendonly" if sends else draw(st.sampled_from(["recvonly", "inactive"])),
        codecs,
        {uri: number for number, uri in enumerate(draw(st.lists(URIS, unique=True)), 1)},
        draw(st.integers(1, 2**32 - 1)) if sends else None,
        [],
        "stream track" if sends else None,
        set(draw(st.lists(FEEDBACK))),
    )


@settings(deadline=None, max_examples=60)
@given(described("0"))
def test_an_answer_holds_only_what_was_offered_and_what_we_know(offered: Section) -> None:
    [theirs], _ = read_description(written(offered))
    answer = answering_section(theirs)
    known = set(sections.EXTENSIONS["audio"]) | set(sections.EXTENSIONS["video"]) | {sections.SEND_TIME}
    assert answer.mid == offered.mid
    assert answer.direction == ("recvonly" if offered.direction == "sendonly" else "inactive")
    assert set(answer.extensions.items()) <= set(theirs.extensions.items())
    assert set(answer.extensions) <= known
    assert answer.feedback <= theirs.feedback
    assert ("goog-lntf", None) not in answer.feedback
    assert {codec.name for codec in answer.codecs} <= set(CODECS)
    assert answer.remote_ssrcs == ([offered.ssrc] if offered.direction == "sendonly" else [])


VIDEO = replace(sections.sending_section("0", "video", VP8, "s t"), ssrc=7)


def test_codecs_that_we_cannot_take_are_passed_over() -> None:
    sdp = written(replace(VIDEO, codecs=[VP8, H264]))
    [section], _ = read_description(sdp.replace("packetization-mode=1", "packetization-mode=0"))
    assert [codec.name for codec in section.codecs] == ["vp8"]
    [section], _ = read_description(sdp.replace("VP8/90000", "AV1/90000"))
    assert [codec.name for codec in section.codecs] == ["h264"]
    nothing = answering_section(read_description(written(VIDEO).replace("VP8/90000", "AV1/90000"))[0][0])
    assert (nothing.direction, nothing.remote_ssrcs) == ("inactive", [])


def test_a_codec_in_a_section_of_the_other_kind_is_passed_over() -> None:
    sound = sections.sending_section("0", "audio", OPUS, "s t")
    [section], _ = read_description(written(sound).replace("opus/48000/2", "VP8/90000"))
    assert section.codecs == []
    assert answering_section(section).direction == "inactive"
