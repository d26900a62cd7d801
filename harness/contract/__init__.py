"""The callback contract: rules over a trace, what each service promises, verdicts and their proof. No I/O, no clock."""
