"""Services that are broken on purpose, each in one way: the proof that every rule can fail, and fails alone."""
