"""What an application implements to hear the callbacks of a call."""

from __future__ import annotations

from harness.call.callbacks import (
    MessageReceived,
    NetworkQualityUpdated,
    OnlineUserCountUpdated,
    PlayerFirstFrame,
    PlayerQualityUpdated,
    PlayerStateUpdated,
    PublisherFirstFrame,
    PublisherQualityUpdated,
    PublisherStateUpdated,
    RemoteDeviceUpdated,
    RoomExtraInfoUpdated,
    RoomStateUpdated,
    RoomStreamsUpdated,
    RoomUsersUpdated,
    StreamExtraInfoUpdated,
    TokenWillExpire,
)


class EventHandler:
    """Override what you need; every method is called on the engine's event loop and must return at once."""

    def on_room_state_update(self, update: RoomStateUpdated) -> None: ...

    def on_room_user_update(self, update: RoomUsersUpdated) -> None: ...

    def on_room_stream_update(self, update: RoomStreamsUpdated) -> None: ...

    def on_room_online_user_count_update(self, update: OnlineUserCountUpdated) -> None: ...

    def on_publisher_state_update(self, update: PublisherStateUpdated) -> None: ...

    def on_publisher_first_frame(self, update: PublisherFirstFrame) -> None: ...

    def on_publisher_quality_update(self, update: PublisherQualityUpdated) -> None: ...

    def on_player_state_update(self, update: PlayerStateUpdated) -> None: ...

    def on_player_first_frame(self, update: PlayerFirstFrame) -> None: ...

    def on_player_quality_update(self, update: PlayerQualityUpdated) -> None: ...

    def on_network_quality(self, update: NetworkQualityUpdated) -> None: ...

    def on_remote_device_update(self, update: RemoteDeviceUpdated) -> None: ...

    def on_room_extra_info_update(self, update: RoomExtraInfoUpdated) -> None: ...

    def on_room_stream_extra_info_update(self, update: StreamExtraInfoUpdated) -> None: ...

    def on_room_token_will_expire(self, update: TokenWillExpire) -> None: ...

    def on_message(self, update: MessageReceived) -> None: ...
