"""WebRTC for a load generator and its forwarder: aiortc's SDP, ICE and DTLS, and a packet path of our own."""
