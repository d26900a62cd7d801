"""Environment variables by which `harness run` tells the swarm's processes about their run."""

RUN_VARIABLE = "HARNESS_RUN"  # the folder of a run that has been prepared
PARENT_VARIABLE = "HARNESS_PARENT_PIPE"  # a pipe's read end: it closes when the starter is gone
