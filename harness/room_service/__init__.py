"""The embedded room service: room logic without I/O, a WebSocket shell, and a forwarder that never re-encodes."""
