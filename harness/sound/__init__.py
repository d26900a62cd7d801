"""Decoded sound: what was heard when, whose voice it is, how late it came, and what it is worth."""
