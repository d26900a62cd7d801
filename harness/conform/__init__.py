"""Conformance: schedules of what users do, performed on virtual time or live; each performance leaves a trace."""
