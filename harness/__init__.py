"""A measuring instrument for multi-party calls: load, callback conformance, and a real call beside the swarm."""
