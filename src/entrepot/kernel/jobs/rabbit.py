"""The typed adapter to taskiq's RabbitMQ broker: one queue of wake-ups, read with late acknowledgement."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from urllib.parse import urlsplit

import structlog
from aio_pika import ExchangeType, RobustConnection
from aio_pika.abc import AbstractIncomingMessage, AbstractRobustConnection
from aio_pika.exceptions import CONNECTION_EXCEPTIONS
from taskiq import AckableMessage
from taskiq_aio_pika import AioPikaBroker, Exchange, Queue
from taskiq_aio_pika.exceptions import BaseAioPikaBrokerError, NoStartupError

from entrepot.kernel.errors import SettingsError

__all__ = ["BROKER_FAILURES", "RabbitBroker", "broker_address"]

BROKER_FAILURES: tuple[type[BaseException], ...] = (
    *CONNECTION_EXCEPTIONS,
    BaseAioPikaBrokerError,
    ValueError,
)
"""What a broker that is down, unreachable or unwilling raises, also for a bad option in its URL."""

CALL_LIMIT = 5.0
"""Seconds for each call to the broker."""
LONGEST_QUEUE = 100_000
"""Messages kept; the oldest go first, as the sweep repairs that."""
LONGEST_DEAD_QUEUE = 1000
DELIVERIES = 20
"""How often a message is delivered that never gets acknowledged: one that kills its workers."""

log = structlog.stdlib.get_logger(__name__)


def broker_address(url: str) -> str:
    """Give host and port of the broker, to show; raises SettingsError for what isn't an AMQP URL."""
    try:
        parts = urlsplit(url)
        port = parts.port or (5671 if parts.scheme == "amqps" else 5672)
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme not in {"amqp", "amqps"} or not parts.hostname:
        raise SettingsError(
            "ENTREPOT_BROKER_URL is not the URL of a RabbitMQ; it looks like amqp://user:password@host:5672/.",
            where="ENTREPOT_BROKER_URL",
        )
    return f"{parts.hostname}:{port}"


class _Connection(RobustConnection):
    """An attempt to connect that fails or is given up leaves nothing behind."""

    async def connect(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - the library's signature
        made = False
        try:
            await super().connect(timeout)
            made = True
        finally:
            if not made:
                await self.close()


class RabbitBroker(AioPikaBroker):
    """One durable exchange and queue, named after ``prefix``, for as long as the connection stands.

    The library's own ways to come back after a loss restore only part of the state, so a broker that is
    ``lost`` is shut down and replaced by a new one.
    """

    def __init__(self, url: str, *, prefix: str, prefetch: int, listening: Callable[[], None]) -> None:
        _quieten()
        self.queue_name = f"{prefix}.jobs"
        dead = Queue(
            name=f"{self.queue_name}.dead",
            arguments={"x-max-length": LONGEST_DEAD_QUEUE},
            timeout=CALL_LIMIT,
        )
        queue = Queue(
            name=self.queue_name,
            arguments={"x-max-length": LONGEST_QUEUE, "x-delivery-limit": DELIVERIES},
            timeout=CALL_LIMIT,
            bind_timeout=CALL_LIMIT,
        )
        super().__init__(
            url,
            qos=prefetch,
            exchange=Exchange(name=self.queue_name, type=ExchangeType.DIRECT, timeout=CALL_LIMIT),
            task_queues=[queue],
            dead_letter_queue=dead,
            timeout=CALL_LIMIT,
            connection_class=_Connection,
        )
        self.lost = asyncio.Event()
        """Set when a connection or channel broke, or the server took the queue away."""
        self._listening = listening
        self._arrived: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()

    async def startup(self) -> None:
        """Connect and declare; raises one of BROKER_FAILURES."""
        await super().startup()
        for part in (*self._connections(), self.write_channel, self.read_channel):
            if part is not None:
                part.close_callbacks.add(self._lose)

    async def shutdown(self) -> None:
        """Close the connections; what isn't acknowledged goes back to the queue."""
        closing = [connection.close() for connection in self._connections()]
        await asyncio.gather(*closing, return_exceptions=True)

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Give the messages, each ours until it is acknowledged; raises ConnectionError with the loss."""
        if self.read_channel is None:
            raise NoStartupError("the broker listens after its start only")
        await self.read_channel.set_qos(prefetch_count=self._qos, timeout=CALL_LIMIT)
        ((queue, _),) = await self._declare_queues(self.read_channel)
        tag = await queue.consume(self._arrived.put, timeout=CALL_LIMIT)
        channel = await self.read_channel.get_underlay_channel()
        channel.on_consumer_cancel_callbacks.add(self._lose)
        self._listening()
        try:
            while message := await self._arrived.get():
                yield AckableMessage(data=message.body, ack=_acknowledge(message))
        finally:
            if not self.lost.is_set():
                await queue.cancel(tag, timeout=CALL_LIMIT)
        raise ConnectionError("the connection is lost")

    async def backlog(self) -> int:
        """Count the messages that nobody has taken yet."""
        if self.write_channel is None:
            raise NoStartupError("the broker counts after its start only")
        queue = await self.write_channel.get_queue(self.queue_name, ensure=False)
        queue.passive = True
        return (await queue.declare(timeout=CALL_LIMIT)).message_count or 0

    def _connections(self) -> list[AbstractRobustConnection]:
        return [each for each in (self.write_conn, self.read_conn) if each is not None]

    def _lose(self, *_: object) -> None:
        self.lost.set()
        self._arrived.put_nowait(None)


def _quieten() -> None:
    """Keep the libraries from logging each attempt with its traceback; the link tells of an outage once."""
    for library in map(logging.getLogger, ("aio_pika", "aiormq")):
        if not library.isEnabledFor(logging.DEBUG):
            library.setLevel(logging.CRITICAL)


def _acknowledge(message: AbstractIncomingMessage) -> Callable[[], Awaitable[None]]:
    async def acknowledge() -> None:
        try:
            async with asyncio.timeout(CALL_LIMIT):
                await message.ack()
        except BROKER_FAILURES as error:
            # The job has run; the message comes again and finds nothing to do.
            log.info("a message couldn't be acknowledged and will come again", error=repr(error))

    return acknowledge
