"""The check of LV-08: the warning before a token expires, and what its expiry does."""

from __future__ import annotations

from harness.contract.check import Check
from harness.contract.presence import Client, Machine, Presence
from harness.contract.truth import Fact
from harness.trace.record import Record

TOKEN_SLACK = 2.0  # seconds by which a token warning may be early or late


class TokenWarning(Check):
    def begin(self) -> None:
        self._warned: dict[Presence, list[Record]] = {}

    def entered(self, presence: Presence, fact: Fact) -> None:
        if presence.token_expires is not None and presence.login is not None:
            self._watch(presence, presence.login, presence.token_expires)

    def result(self, record: Record, call: Record, client: Client, presence: Presence | None) -> None:
        if call.name == "renew_token" and record.args.result == "ok" and presence is not None:
            presence.token_expires = call.args.token_expires
            self._warned.pop(presence, None)
            if presence.token_expires is not None:
                self._watch(presence, call, presence.token_expires)

    def _watch(self, presence: Presence, call: Record, expires: float) -> None:
        offset = self.world.unix_offset
        if offset is None:
            return
        end = expires + offset
        due = max(end - self.profile.token_warning, self.world.now) + TOKEN_SLACK
        self.world.while_open(presence, due, self._warning_due, presence, call, expires, end)
        self.world.while_open(
            presence, end + TOKEN_SLACK + self.world.propagation, self._expired, presence, call, expires, end
        )

    def token(self, presence: Presence, record: Record) -> None:
        self.judged()
        offset, expires = self.world.unix_offset, presence.token_expires
        earlier = self._warned.setdefault(presence, [])
        if earlier:
            self.broken("one warning a token", "another one", [earlier[0]], presence.subject(), guilty=record)
        earlier.append(record)
        if offset is not None and expires is not None:
            early = expires + offset - self.profile.token_warning - TOKEN_SLACK - record.t
            if early > self.world.slack:
                self.broken(
                    f"the warning comes {self.profile.token_warning:g} s before the token expires",
                    f"{early + TOKEN_SLACK:.1f} s too early", [presence.login], presence.subject(), guilty=record,
                )  # fmt: skip

    def _current(self, presence: Presence, expires: float) -> bool:
        return presence.token_expires == expires and presence.inside and presence.client.fault is None

    def _warning_due(self, presence: Presence, call: Record, expires: float, end: float) -> None:
        since = min(end - self.profile.token_warning, self.world.now - TOKEN_SLACK)
        if not self._current(presence, expires) or not presence.steady(since):
            return
        self.judged()
        if not self._warned.get(presence):
            self.broken(
                f"a warning comes {self.profile.token_warning:g} s before the token expires", "nothing came", [call],
                presence.subject(),
            )  # fmt: skip

    def _expired(self, presence: Presence, call: Record, expires: float, end: float) -> None:
        """The policy keep: the session goes on. While it is open, kick was not carried out."""
        if not self._current(presence, expires) or not presence.steady(end):
            return
        self.judged()
        if self.profile.token_expiry == "kick":
            self.broken("an expired token ends the session", "it went on", [call], presence.subject())

    def left(self, presence: Presence, record: Record) -> None:
        self._warned.pop(presence, None)
        expired = self.profile.codes.kicked_token_expired
        if record.args.state != "KICKED" or not expired or record.args.code != expired:
            return
        self.judged()
        offset, expires = self.world.unix_offset, presence.token_expires
        if self.profile.token_expiry == "keep":
            self.broken(
                "an expired token does not end the session",
                "KICKED",
                [presence.login],
                presence.subject(),
                guilty=record,
            )
        elif offset is not None and expires is not None and record.t < expires + offset - TOKEN_SLACK:
            self.broken(
                "no kick before the token expires", "KICKED", [presence.login], presence.subject(), guilty=record
            )

    def publishing(self, presence: Presence, record: Record, machine: Machine) -> None:
        offset, expires = self.world.unix_offset, presence.token_expires
        if offset is None or expires is None or machine.call is None or record.args.state != "LIVE":
            return
        if machine.call.t > expires + offset + TOKEN_SLACK and machine.state == "REQ" and machine.live_since is None:
            self.judged()
            self.broken(
                "a new publish with an expired token is refused", "it is LIVE", [presence.login, machine.call],
                presence.subject(stream=machine.stream), guilty=record,
            )  # fmt: skip
