"""The subcommands of `harness`, one module each."""
