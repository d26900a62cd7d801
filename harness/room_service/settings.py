"""What can be set of the embedded service. Times in seconds; the defaults are the vendor's, tests shorten them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """heartbeat_timeout: silence after which a user is gone; retry_window: how long a client may still resume;
    count_interval: between two notices of how many users are in the room."""

    heartbeat_interval: float = 30.0
    heartbeat_timeout: float = 90.0
    retry_window: float = 1200.0
    count_interval: float = 30.0
    login_deadline: float = 10.0  # a socket that has not logged in by then is closed
    token_warning: float = 30.0
    kick_on_token_expiry: bool = False
    users_per_room: int = 1000
    rooms_per_user: int = 5
    plays_per_user: int = 1000
    streams_per_user: int = 12
    waiting_sockets: int = 1000  # sockets that have not logged in, over all rooms
    message_bytes: int = 1 << 20
    messages_per_second: float = 200.0


TEST_SETTINGS = Settings(heartbeat_interval=0.5, heartbeat_timeout=2.0, retry_window=6.0, login_deadline=2.0)
