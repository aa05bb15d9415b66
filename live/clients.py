"""What a client does with the hub, whatever the door: come, subscribe, resync, leave."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from channels.db import database_sync_to_async

from live import topics
from live.connections import Connection, Send, Subscription
from live.control import Order, digest
from live.fanout import Fan
from live.frames import Framer, error_event
from live.hub import Hub
from live.limits import MAX_TOPICS, client_address
from live.protocol import NOT_ALLOWED, NOT_SIGNED_IN, Refused, Request, too_many
from live.scopes import Scope, User, session_key, user_of
from live.topics import Topic
from live.wires import Wire


class Client:
    """One connection's dealings with ``hub``. All methods but ``leave`` raise ``Refused``."""

    def __init__(
        self, hub: Hub, scope: Scope, send: Send, frame: Framer, wire: Wire | None = None
    ) -> None:
        self.hub = hub
        self.scope = scope
        self.connection = Connection(send, frame, hub.counters, wire)
        self.address: str | None = None
        self.user: User | None = None
        # What the user was known by: a session's digest, or an API token's id.
        self.session = self.token = ""
        self.expiry: asyncio.TimerHandle | None = None
        # Set by doors whose socket has to be closed with a reason.
        self.close: Callable[[Refused], Awaitable[None]] | None = None

    def arrive(self) -> None:
        """Take a seat."""
        address = client_address(self.scope)
        if not self.hub.addresses.take(address):
            raise too_many("Too many connections from this address.", "too_many_connections")
        self.address = address
        self.hub.admit(self.connection)

    def leave(self) -> None:
        """Give back all that was taken. May be called twice."""
        self.connection.close()
        if self.connection.busy is not None:
            self.connection.busy.cancel()
        self.hub.dismiss(self.connection)
        if self.address is not None:
            self.hub.addresses.free(self.address)
            self.address = None
        if self.user is not None and self.user.is_authenticated:
            self.hub.users.free(self.user.pk)
        self.hub.known.discard(self)
        if self.expiry is not None:
            self.expiry.cancel()
        self.user = None

    def is_meant(self, order: Order) -> bool:
        if order.session or order.token:
            return (order.session, order.token) == (self.session, self.token)
        is_user = self.user is not None and bool(order.user) and str(self.user.pk) == order.user
        return is_user and (not order.topic or order.topic in self.connection.subscriptions)

    async def expel(self, topic: str) -> None:
        """Tell the client what it lost, and take it: one topic, or the connection."""
        if topic:
            lost = "You may not hear this topic any more."
            gone = Refused(lost, code="permission_withdrawn", fields={"topic": [topic]}, close=None)
            subscription = self.connection.subscriptions.pop(topic, None)
            if subscription is not None:
                subscription.fan.leave(subscription)
            await self.connection.say(error_event(gone.envelope()))
            return
        gone = Refused("This session has ended.", code="signed_out", close=NOT_SIGNED_IN)
        if self.close is not None:
            await self.close(gone)
            return
        await self.connection.say(error_event(gone.envelope()))
        self.connection.close()

    async def subscribe(self, request: Request) -> None:
        """Join the topic, or widen the keys already wanted, and send what the client lacks."""
        subscription = self.join(request, await self.permitted(request))
        mask = subscription.fan.board.mask_of(request.keys)
        self._send_missing(subscription, request, mask)

    def join(self, request: Request, fan: Fan) -> Subscription:
        """The same for a topic found permitted, without sending anything."""
        subscription = self.connection.subscriptions.get(request.topic)
        if subscription is not None:
            wider = None if request.keys is None else _union(subscription.wanted, request.keys)
            subscription.fan.want(subscription, wider)
            subscription.throttle = request.throttle
            return subscription
        if len(self.connection.subscriptions) >= MAX_TOPICS:
            raise too_many(f"At most {MAX_TOPICS} topics.", "too_many_subscriptions")
        subscription = Subscription(self.connection, fan, request.keys, request.throttle)
        if not self.connection.closed:
            self.connection.subscriptions[request.topic] = subscription
            fan.join(subscription)
        return subscription

    def resync(self, request: Request) -> None:
        """Send the client's keys again; with ``epoch`` and ``last`` only the newer ones."""
        subscription = self._subscribed(request.topic)
        mask = subscription.mask
        if request.keys is not None:
            mask &= subscription.fan.board.mask_of(request.keys)
        self._send_missing(subscription, request, mask)

    def unsubscribe(self, request: Request) -> None:
        subscription = self._subscribed(request.topic)
        if request.keys is not None:
            wanted = subscription.wanted
            rest = frozenset(subscription.fan.known_keys()) if wanted is None else wanted
            rest -= request.keys
            if rest:
                subscription.fan.want(subscription, rest)
                subscription.dirty &= subscription.mask
                return
        del self.connection.subscriptions[request.topic]
        subscription.fan.leave(subscription)

    async def permitted(self, request: Request) -> Fan:
        """The topic that ``request`` names, if it exists, has these keys and may be heard."""
        topic = self.hub.topic(request.topic)
        if topic is None:
            known = ", ".join(sorted(self._names())) or "none"
            reasons = [f"Unknown: {request.topic[:64]}. Known: {known}."]
            raise Refused("No such topic.", code="unknown_topic", fields={"topic": reasons})
        if not topic.public:
            await self._check_user(topic)
        heard = topic.name in self.hub.fans
        fan = await self.hub.open(topic)
        if not heard and not topic.public:
            # While the values were read, the permission may have been withdrawn.
            await self._check_user(topic)
        self._check_keys(fan, request.keys)
        return fan

    def _names(self) -> Iterable[str]:
        """What may be asked for. Names that others listen to are nobody else's business."""
        families = topics.families().values()
        prefixes = tuple(family.prefix for family in families)
        always = (name for name in self.hub.fans if not name.startswith(prefixes))
        return (*always, *(family.form for family in families))

    def _check_keys(self, fan: Fan, keys: frozenset[str] | None) -> None:
        known = fan.known_keys()
        # Before anything was published nothing is known, and any key may turn out to exist.
        unknown = sorted(keys.difference(known)) if keys and known else []
        if unknown:
            reasons = [f"Unknown: {', '.join(unknown)}. Known: {', '.join(sorted(known))}."]
            fields = {"keys": reasons}
            raise Refused("No such key.", code="unknown_key", fields=fields, close=None)

    async def _check_user(self, topic: Topic) -> None:
        user = await self._identify()
        if await database_sync_to_async(topic.may_subscribe)(user, topic.name):
            return
        if not user.is_authenticated:
            message = "Sign in to hear this topic."
            raise Refused(message, code="not_signed_in", close=NOT_SIGNED_IN, http_status=401)
        message = "You may not hear this topic."
        raise Refused(message, code="permission_denied", close=NOT_ALLOWED, http_status=403)

    async def _identify(self) -> User:
        if self.user is None:
            user = await user_of(self.scope)
            if user.is_authenticated:
                if not self.hub.users.take(user.pk):
                    raise too_many("Too many connections of this user.", "too_many_connections")
                self._note_credential()
                self.hub.known.add(self)
            self.user = user
        return self.user

    def _note_credential(self) -> None:
        credential = self.scope.get("credential")
        if credential is None:
            self.session = digest(session_key(self.scope))
            return
        self.token = credential.name
        if credential.ends_in is not None:
            loop = asyncio.get_running_loop()
            self.expiry = loop.call_later(credential.ends_in, self._expire)

    def _expire(self) -> None:
        self.hub.expel(self)

    def _subscribed(self, topic: str) -> Subscription:
        subscription = self.connection.subscriptions.get(topic)
        if subscription is None:
            raise Refused("Not subscribed to this topic.", code="not_subscribed", close=None)
        return subscription

    def _send_missing(self, subscription: Subscription, request: Request, mask: int) -> None:
        if request.epoch is not None:
            mask = subscription.fan.board.newer_than(mask, request.epoch, request.last)
        if not self.connection.closed:
            self.connection.show(subscription, mask)


def _union(wanted: frozenset[str] | None, keys: frozenset[str]) -> frozenset[str] | None:
    return None if wanted is None else wanted | keys
