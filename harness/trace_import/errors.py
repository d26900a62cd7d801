"""The one error of an import."""

from __future__ import annotations

from harness.trace.reader import TraceError


class LogError(TraceError):
    """A log, mapping or output that cannot be used; one sentence: where (file, line, key), what, what is allowed."""
