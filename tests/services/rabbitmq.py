"""Queues of their own for tests, on the RabbitMQ server that ENTREPOT_TEST_RABBITMQ_URL names."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import aio_pika
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelNotFoundEntity

from tests.services.missing import missing

DEFAULT_URL = "amqp://guest:guest@127.0.0.1:5672/"
LIMIT = 5.0


@dataclass(frozen=True)
class Queues:
    url: str
    prefix: str

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or "127.0.0.1"

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 5672

    async def waiting(self) -> int:
        """Count the messages that no worker has taken."""
        async with await aio_pika.connect(self.url, timeout=LIMIT) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(f"{self.prefix}.jobs", passive=True)
            return queue.declaration_result.message_count or 0

    async def until_waiting(self, count: int, seconds: float) -> None:
        """Wait until so many messages wait, in a queue that may be yet to come."""
        async with asyncio.timeout(seconds):
            while True:
                with suppress(ChannelNotFoundEntity):
                    if await self.waiting() == count:
                        return
                await asyncio.sleep(0.05)

    async def delete(self) -> None:
        async with asyncio.timeout(LIMIT), await aio_pika.connect(self.url) as connection:
            channel = await connection.channel()
            await channel.queue_delete(f"{self.prefix}.jobs")
            await channel.queue_delete(f"{self.prefix}.jobs.dead")
            await channel.exchange_delete(f"{self.prefix}.jobs")


@asynccontextmanager
async def fresh_queues() -> AsyncIterator[Queues]:
    """Give a prefix for exchange and queues, and delete them afterwards.

    Without a server the test is skipped, or fails where ENTREPOT_TEST_REQUIRE is ``all``.
    """
    url = os.environ.get("ENTREPOT_TEST_RABBITMQ_URL") or DEFAULT_URL
    prefix = f"entrepot-test-{secrets.token_hex(6)}"
    try:
        connection = await aio_pika.connect(url, timeout=LIMIT)
    except CONNECTION_EXCEPTIONS as error:
        missing(f"RabbitMQ at {urlsplit(url).hostname} doesn't answer: {error!r}")
    await connection.close()
    queues = Queues(url, prefix)
    try:
        yield queues
    finally:
        await queues.delete()
