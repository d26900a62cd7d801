"""Log files as fields: one mapping of names to values for each line, or row, with its number."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from harness.trace.line import MAX_LINE_BYTES
from harness.trace_import.errors import LogError
from harness.trace_import.mapping import Source

Row = tuple[int, dict[str, Any]]


class LogFile:
    """The rows of one log. unmatched: how many lines were passed over, if the mapping allows that.

    Besides its own fields every row has $file (the log's name without its ending) and $line.
    """

    def __init__(self, path: Path, source: Source) -> None:
        self._path = path
        self._source = source
        self._first_unmatched = 0
        self.unmatched = 0

    def rows(self) -> Iterator[Row]:
        """Raises LogError when the file cannot be read, or, at its end, when lines did not fit."""
        read = {"jsonl": self._json_rows, "csv": self._csv_rows, "text": self._text_rows}[self._source.format]
        try:
            with self._path.open("rb") as file:
                for number, fields in read(file):
                    self._parse_inner(fields)
                    fields["$file"], fields["$line"] = self._path.stem, number
                    yield number, fields
        except (OSError, csv.Error) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise LogError(f"{self._path}: cannot be read ({reason}); allowed: a {self._source.format} log") from None
        except ValueError as error:
            if isinstance(error, LogError):
                raise
            raise LogError(f"{self._path}: cannot be read ({error})") from None
        if self.unmatched and not self._source.skip:
            lines = "1 line does" if self.unmatched == 1 else f"{self.unmatched} lines do"
            fit = "match source.pattern" if self._source.format == "text" else f"fit the format {self._source.format}"
            raise LogError(
                f"{self._path}:{self._first_unmatched}: {lines} not {fit}, this is the first; "
                "allowed: lines that do, or source.unmatched: skip"
            )

    def _unmatched(self, number: int) -> None:
        self.unmatched += 1
        self._first_unmatched = self._first_unmatched or number

    def _lines(self, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
        number = 0
        while line := file.readline(MAX_LINE_BYTES + 1):
            number += 1
            if len(line) > MAX_LINE_BYTES:
                raise LogError(f"{self._path}:{number}: is longer than {MAX_LINE_BYTES} bytes; allowed: up to that")
            yield number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line

    def _json_rows(self, file: BinaryIO) -> Iterator[Row]:
        for number, line in self._lines(file):
            if not line.strip():
                continue
            try:
                fields = json.loads(line)
            except (ValueError, RecursionError):
                fields = None
            if isinstance(fields, dict):
                yield number, fields
            else:
                self._unmatched(number)

    def _text_rows(self, file: BinaryIO) -> Iterator[Row]:
        match = re.compile(self._source.pattern).search
        for number, line in self._lines(file):
            text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
            found = match(text) if text.strip() else None
            if found is not None:
                yield number, {name: value for name, value in found.groupdict().items() if value is not None}
            elif text.strip():
                self._unmatched(number)

    def _csv_rows(self, file: BinaryIO) -> Iterator[Row]:
        texts = (line.decode("utf-8", "backslashreplace") for _, line in self._lines(file))
        reader = csv.reader(texts, delimiter=self._source.delimiter, strict=True)
        names: list[str] | None = None
        for row in reader:
            if names is None:
                names = row
            elif len(row) == len(names):
                yield reader.line_num, dict(zip(names, row, strict=True))
            elif row:
                self._unmatched(reader.line_num)

    def _parse_inner(self, fields: dict[str, Any]) -> None:
        """Fields whose text is JSON become what it says; those that are not stay text."""
        for name in self._source.json:
            text = fields.get(name)
            if isinstance(text, str):
                try:
                    fields[name] = json.loads(text)
                except (ValueError, RecursionError):
                    continue
