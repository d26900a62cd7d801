"""Other people's logs as traces: callback logs by a mapping, and what Chrome keeps of its peer connections."""
