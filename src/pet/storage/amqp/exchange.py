"""`Exchange` on RabbitMQ: a durable topic exchange, confirmed messages, one process that publishes at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import takewhile

from aio_pika import Message
from aiormq.exceptions import DeliveryError

from pet.domain.events import Event
from pet.domain.publishing import AnotherPublishes
from pet.storage.amqp.connection import DOWN, Session, open_session, within
from pet.storage.amqp.messages import message_of
from pet.storage.amqp.reasons import reason_of
from pet.storage.opening import CannotOpen

EXCHANGE = "pet.events"

FULL_QUEUE_SECONDS = 5.0
"""How long to leave a queue that refuses messages alone; each trial gives the other queues the same event again."""

log = logging.getLogger("pet.amqp")


@asynccontextmanager
async def open_exchange(url: str, *, timeout_seconds: float, name: str = EXCHANGE) -> AsyncIterator[AmqpExchange]:
    """Connect to a broker and declare the exchange; the connection is closed when the context is left.

    Raises:
        CannotOpen: the broker cannot be reached, or refuses.
    """
    exchange = AmqpExchange(url, timeout_seconds=timeout_seconds, name=name)
    try:
        await exchange.connect()
    except DOWN as error:
        raise CannotOpen("message broker", "PET_AMQP_URL", exchange.reason_of(error)) from error
    try:
        yield exchange
    finally:
        await exchange.release()


class AmqpExchange:
    """Publishes over one connection, which is made anew after a loss, when it is used again.

    The library's own way of making it anew would not tell which messages were lost, nor that the place of the one that
    publishes is another's now.

    Args:
        url: `amqp://` or `amqps://`.
        timeout_seconds: how long the broker may take to answer, or to confirm the next one of several messages.
        name: the exchange's.
    """

    def __init__(self, url: str, *, timeout_seconds: float, name: str = EXCHANGE) -> None:
        self._url = url
        self._timeout_seconds = timeout_seconds
        self._name = name
        self._session: Session | None = None
        self._claimed: Session | None = None
        self._connecting = asyncio.Lock()
        self._complaint = ""

    async def connect(self) -> Session:
        """Return the open connection, a new one where there is none."""
        async with self._connecting:
            if self._session is None or not self._session.is_open:
                await self._drop()
                self._session = await within(self._timeout_seconds, open_session(self._url, self._name))
            return self._session

    async def publish(self, events: Sequence[Event]) -> int:
        """See `Exchange.publish`."""
        try:
            session = await self.connect()
            await self._claim(session)
            return await self._confirmed(session, events)
        except DOWN as error:
            await self._give_up(error)
            return 0

    async def release(self) -> None:
        """See `Exchange.release`: the connection is closed, and made anew when it is needed."""
        await self._drop()

    async def answers(self) -> bool:
        """Tell whether the broker answers, and takes messages."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                session = await self.connect()
                await within(self._timeout_seconds, session.answer())
        except DOWN:
            return False
        return True

    def reason_of(self, error: BaseException) -> str:
        """Say in one sentence, without a password, why the broker cannot be used."""
        return reason_of(error, self._url, self._name, self._timeout_seconds)

    async def _claim(self, session: Session) -> None:
        if self._claimed is session:
            return
        if not await within(self._timeout_seconds, session.claim(f"{self._name}.publisher")):
            raise AnotherPublishes
        self._claimed = session
        log.info("this process publishes the events")

    async def _confirmed(self, session: Session, events: Sequence[Event]) -> int:
        """Send all at once, in their order, and count those that are confirmed from the first on."""

        async def send(message: Message) -> bool:
            await session.exchange.publish(message, str(message.type), mandatory=False)
            return True

        sending = [asyncio.create_task(send(message)) for message in map(message_of, events)]
        try:
            await self._until_confirmed(session, sending)
        finally:
            for task in sending:
                task.cancel()
            outcomes = await asyncio.gather(*sending, return_exceptions=True)
        await self._note([outcome for outcome in outcomes if isinstance(outcome, BaseException)])
        return len(list(takewhile(lambda outcome: outcome is True, outcomes)))

    async def _note(self, failures: Sequence[BaseException]) -> None:
        """Keep the connection where a queue has refused a message, and only there."""
        if any(isinstance(failure, DeliveryError) for failure in failures):
            self._complain(f"a queue behind the exchange {self._name} is full and refuses messages.")
            await asyncio.sleep(FULL_QUEUE_SECONDS)
        elif failures and isinstance(failures[0], asyncio.CancelledError):
            await self._give_up(TimeoutError())
        elif failures:
            await self._give_up(failures[0])
        else:
            self._complain("")

    async def _until_confirmed(self, session: Session, sending: Sequence[asyncio.Task[bool]]) -> None:
        """Wait as long as one after the other is confirmed in time, or the broker has asked to wait."""
        waiting = set(sending)
        while waiting:
            done, waiting = await asyncio.wait(waiting, timeout=self._timeout_seconds)
            if not done and not await session.is_blocked():
                return
            if not done:
                self._complain("it takes no messages for the moment, short of memory or disk space.")

    async def _drop(self) -> None:
        session, self._session, self._claimed = self._session, None, None
        if session:
            await session.close()

    async def _give_up(self, error: BaseException) -> None:
        """Drop the connection: only a new one tells again what arrives."""
        await self._drop()
        if not isinstance(error, DOWN):
            raise error
        self._complain(self.reason_of(error))

    def _complain(self, reason: str) -> None:
        """Log why events wait when that has changed; no reason says that they go out again."""
        if reason and reason != self._complaint:
            log.warning("events wait for the message broker (PET_AMQP_URL): %s", reason)
        elif self._complaint and not reason:
            log.info("events go out again")
        self._complaint = reason
