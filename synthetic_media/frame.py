"""One encoded frame of a clip, cut for RTP once and shared by everyone who sends it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """What the sender needs of one frame; `packetize.frame_payloads` turns it into RTP payloads."""

    key: bool  # decoding can start here
    size: int  # bytes of the encoded frame, as the encoder wrote it, without stamp
    fragments: tuple[bytes, ...]  # VP8: slices of the frame without descriptor; H.264: complete RTP payloads
    stamp_slot: int  # VP8: the fragment the stamp is appended to; H.264: the fragment the SEI unit goes in front of
