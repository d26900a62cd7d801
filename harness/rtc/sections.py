"""m-lines: what each media section of a session description carries, and SDP text to and from it (by aiortc.sdp)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from aiortc import RTCIceCandidate
from aiortc.rtcdtlstransport import RTCDtlsFingerprint, RTCDtlsParameters
from aiortc.rtcicetransport import RTCIceParameters
from aiortc.rtcrtpparameters import RTCRtcpFeedback, RTCRtpCodecParameters, RTCRtpHeaderExtensionParameters
from aiortc.sdp import GroupDescription, MediaDescription, SessionDescription, SsrcDescription

from harness.rtc.transport_feedback import URI as TRANSPORT_SEQUENCE

AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
EXTENSION_IDS = {AUDIO_LEVEL: 1, SEND_TIME: 2, TRANSPORT_SEQUENCE: 3, MID: 4}
EXTENSIONS = {"audio": (AUDIO_LEVEL, TRANSPORT_SEQUENCE, MID), "video": (TRANSPORT_SEQUENCE, MID)}
MAX_SECTIONS = 2048
MAX_SDP_BYTES = 1 << 20


class SdpError(ValueError):
    """A session description that cannot be used; the message says what is wrong with it."""


@dataclass(frozen=True)
class Codec:
    """One payload format. `name` is lower case: vp8, h264, opus."""

    name: str
    payload_type: int
    clock_rate: int
    channels: int | None = None
    parameters: dict[str, int | str | None] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return "audio" if self.name == "opus" else "video"


VP8 = Codec("vp8", 96, 90_000)
H264 = Codec(
    "h264",
    102,
    90_000,
    parameters={"level-asymmetry-allowed": "1", "packetization-mode": "1", "profile-level-id": "42e01f"},
)
OPUS = Codec("opus", 111, 48_000, 2, {"minptime": 10, "useinbandfec": 1})
CODECS = {codec.name: codec for codec in (VP8, H264, OPUS)}
_VIDEO_FEEDBACK = (("nack", None), ("nack", "pli"), ("ccm", "fir"), ("goog-remb", None), ("transport-cc", None))
_AUDIO_FEEDBACK = (("transport-cc", None),)


@dataclass
class Section:
    """One m-line, seen from our side. `direction` is ours: sendonly, recvonly or inactive."""

    mid: str
    kind: str
    direction: str
    codecs: list[Codec]
    extensions: dict[str, int] = field(default_factory=dict)
    ssrc: int | None = None  # ours, when we send
    remote_ssrcs: list[int] = field(default_factory=list)
    msid: str | None = None
    feedback: set[tuple[str, str | None]] = field(default_factory=set)

    @property
    def codec(self) -> Codec:
        return self.codecs[0]


def new_ssrc() -> int:
    return random.randrange(1, 1 << 32)


def sending_section(mid: str, kind: str, codec: Codec, msid: str) -> Section:
    extensions = {uri: EXTENSION_IDS[uri] for uri in EXTENSIONS[kind]}
    feedback = set(_VIDEO_FEEDBACK if kind == "video" else _AUDIO_FEEDBACK)
    return Section(mid, kind, "sendonly", [codec], extensions, new_ssrc(), [], msid, feedback)


@dataclass(frozen=True)
class Transport:
    """What a description says of the (one, bundled) transport."""

    ice: RTCIceParameters
    candidates: tuple[RTCIceCandidate, ...]
    dtls: RTCDtlsParameters


def write_description(
    sections: Sequence[Section],
    *,
    candidates: Sequence[RTCIceCandidate],
    ice: RTCIceParameters,
    fingerprints: Sequence[RTCDtlsFingerprint],
    dtls_role: str,
    cname: str,
    version: int,
) -> str:
    """SDP for all sections in one bundle. dtls_role: "auto" (offer), "client" or "server" (answer)."""
    description = SessionDescription()
    description.origin = f"- {abs(hash(cname)) % (1 << 53)} {version} IN IP4 127.0.0.1"
    description.group.append(GroupDescription("BUNDLE", [section.mid for section in sections]))
    description.msid_semantic.append(GroupDescription("WMS", ["*"]))
    for index, section in enumerate(sections):
        media = MediaDescription(section.kind, 9, "UDP/TLS/RTP/SAVPF", [codec.payload_type for codec in section.codecs])
        media.host = "0.0.0.0"
        media.direction = section.direction
        media.rtcp_port, media.rtcp_host, media.rtcp_mux = 9, "0.0.0.0", True
        media.rtp.muxId = section.mid
        media.rtp.codecs = [_codec_parameters(codec, section) for codec in section.codecs]
        media.rtp.headerExtensions = [
            RTCRtpHeaderExtensionParameters(id=number, uri=uri) for uri, number in section.extensions.items()
        ]
        if section.direction == "sendonly" and section.ssrc is not None:
            media.msid = section.msid
            media.ssrc = [SsrcDescription(ssrc=section.ssrc, cname=cname, msid=section.msid)]
        media.ice = ice
        media.dtls = RTCDtlsParameters(fingerprints=list(fingerprints), role=dtls_role)
        if not index:  # the bundle's transport is described once
            media.ice_candidates = list(candidates)
            media.ice_candidates_complete = True
        description.media.append(media)
    return str(description)


def _codec_parameters(codec: Codec, section: Section) -> RTCRtpCodecParameters:
    return RTCRtpCodecParameters(
        mimeType=f"{section.kind}/{'VP8' if codec.name == 'vp8' else 'H264' if codec.name == 'h264' else codec.name}",
        clockRate=codec.clock_rate,
        channels=codec.channels,
        payloadType=codec.payload_type,
        rtcpFeedback=[RTCRtcpFeedback(type=t, parameter=p) for t, p in sorted(section.feedback, key=str)],
        parameters=dict(codec.parameters),
    )


def read_description(sdp: str) -> tuple[list[Section], Transport]:
    """Sections as the sender of the description sees them, and its transport.

    Raises SdpError on anything that cannot be used: hostile input ends here.
    """
    if len(sdp) > MAX_SDP_BYTES:
        raise SdpError(f"session description of {len(sdp)} bytes; at most {MAX_SDP_BYTES} are read")
    try:
        description = SessionDescription.parse(sdp)
    except Exception as error:  # aiortc's parser asserts, indexes and looks up: every kind of exception means bad SDP
        raise SdpError(f"unreadable session description: {type(error).__name__} {error}".rstrip()) from None
    if not description.media:
        raise SdpError("session description without a media section")
    if len(description.media) > MAX_SECTIONS:
        raise SdpError(f"session description with {len(description.media)} media sections; at most {MAX_SECTIONS}")
    sections = [_read_section(media) for media in description.media if media.kind in ("audio", "video")]
    first = next((media for media in description.media if media.ice and media.ice.usernameFragment), None)
    if first is None or first.ice is None or not first.ice.password:
        raise SdpError("session description without ICE credentials")
    if first.dtls is None or not first.dtls.fingerprints:
        raise SdpError("session description without a DTLS fingerprint and role")
    candidates = tuple(candidate for media in description.media for candidate in media.ice_candidates)
    return sections, Transport(first.ice, candidates, first.dtls)


def _read_section(media: MediaDescription) -> Section:
    codecs = []
    feedback: set[tuple[str, str | None]] = set()
    for parameters in media.rtp.codecs:
        name = parameters.mimeType.split("/")[1].lower()
        if name not in CODECS or CODECS[name].kind != media.kind or parameters.payloadType is None:
            continue
        if name == "h264" and str(parameters.parameters.get("packetization-mode", "0")) != "1":
            continue
        codecs.append(
            Codec(name, parameters.payloadType, parameters.clockRate, parameters.channels, dict(parameters.parameters))
        )
        feedback |= {(item.type, item.parameter) for item in parameters.rtcpFeedback}
    groups = [group.items for group in media.ssrc_group if group.semantic == "FID"]
    repairs = {ssrc for items in groups for ssrc in items[1:]}
    return Section(
        mid=media.rtp.muxId or "",
        kind=media.kind,
        direction=media.direction or "sendrecv",
        codecs=codecs,
        extensions={extension.uri: extension.id for extension in media.rtp.headerExtensions},
        remote_ssrcs=[info.ssrc for info in media.ssrc if info.ssrc not in repairs],
        msid=media.msid,
        feedback=feedback,
    )


def answering_section(offered: Section) -> Section:
    """Our side of an offered section: receive what they send; codecs, extensions and feedback both sides know."""
    receiving = offered.direction in ("sendonly", "sendrecv") and bool(offered.codecs)
    known = EXTENSIONS[offered.kind] if TRANSPORT_SEQUENCE in offered.extensions else (SEND_TIME, MID)
    ours = set(_VIDEO_FEEDBACK if offered.kind == "video" else _AUDIO_FEEDBACK)
    return Section(
        mid=offered.mid,
        kind=offered.kind,
        direction="recvonly" if receiving else "inactive",
        codecs=offered.codecs or [VP8 if offered.kind == "video" else OPUS],
        extensions={uri: number for uri, number in offered.extensions.items() if uri in known},
        remote_ssrcs=list(offered.remote_ssrcs) if receiving else [],
        msid=offered.msid,
        feedback=ours & offered.feedback,
    )
