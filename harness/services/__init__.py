"""Drivers: one module per room service, each a translation of its signalling and nothing else."""
