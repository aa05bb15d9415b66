"""The websocket door: ``/ws/live``."""

from __future__ import annotations

from typing import Any

from channels.consumer import get_handler_name
from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from live import hub
from live.clients import Client
from live.frames import error_event, for_websocket, for_wire
from live.limits import Allowance
from live.protocol import Refused, parse, too_many
from live.scopes import Scope
from live.wires import wire_of


class LiveConsumer(AsyncWebsocketConsumer):
    """Reads what a client asks for; what it hears is written by the hub.

    A channel layer would cost each socket a Valkey channel and a task, so this alias names none.
    """

    channel_layer_alias = "none"
    client: Client

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        hub.current().start()
        wire = wire_of(scope)
        framer = for_websocket if wire is None else for_wire
        self.client = Client(hub.current(), scope, send, framer, wire)
        self.client.close = self._refuse
        self.allowance = Allowance()
        # Not in disconnect(): Channels skips it when a handler raises.
        try:
            await super().__call__(scope, receive, send)
        finally:
            self.client.leave()

    async def dispatch(self, message: Any) -> None:
        """Channels' own closes database connections first, a thread hop for every frame."""
        handler = getattr(self, get_handler_name(message), None)
        if handler is None:
            raise ValueError(f"no handler for {message['type']!r}")
        await handler(message)

    async def connect(self) -> None:
        # A browser cannot read the reason of a refused handshake, so accept first.
        await self.accept()
        try:
            self.client.arrive()
        except Refused as refused:
            await self._refuse(refused)

    async def websocket_disconnect(self, message: Any) -> None:
        raise StopConsumer

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        try:
            if not self.allowance.spend():
                raise too_many("Too many messages.", "too_many_messages")
            await self._obey(text_data)
        except Refused as refused:
            await self._refuse(refused)

    async def _obey(self, text: str | None) -> None:
        request = parse(text)
        if request.op == "subscribe":
            await self.client.subscribe(request)
        elif request.op == "unsubscribe":
            self.client.unsubscribe(request)
        else:
            self.client.resync(request)

    async def _refuse(self, refused: Refused) -> None:
        self.client.hub.counters.refused += 1
        await self.client.connection.say(error_event(refused.envelope()))
        if refused.close is not None:
            self.client.leave()
            await self.close(code=refused.close)
