"""Random histories of money: what is done to the records, and a plain account of it kept beside them."""

import asyncio
import random
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID, uuid4

from billing.place import MACHINE, new_account, rows
from bluelobster.billing.address_usage import begin_address_usage, end_address_usage
from bluelobster.billing.backup_usage import begin_backup_usage, end_backup_usage
from bluelobster.billing.charge import post_charges
from bluelobster.billing.close import close_months
from bluelobster.billing.ledger import credit
from bluelobster.billing.prices import price_of, set_price, set_type_price
from bluelobster.billing.usage import begin_usage, end_usage
from bluelobster.db.pool import Pool, Tx, transaction
from set_clock import SetClock

WORKERS = 8
TOGETHER = 6
JUMPS = (0, 1, 59, 900, 1799, 1800, 1801, 3600, 5400, 7200, 40_000, 86_400, 200_000)
SIZES = (0, 1, 10**9, 3 * 2**30, 5 * 10**13)
TYPE: Final = "machine"
ADDRESS: Final = "ip_address_month"
STORAGE: Final = "backup_gb_month"
SKEW = timedelta(seconds=3)
Command = tuple[Callable[[Tx], Awaitable[None]], Callable[[], None]]


class Crash(Exception):
    """The process dies before it commits."""


@dataclass
class Period:
    """Use, as it was asked for: a price an hour or a month, of so many bytes."""

    kind: str
    thing: str
    price: int
    began: datetime
    size: int = 0
    ended: datetime | None = None


@dataclass
class History:
    """One account: the machines that it has, with what belongs to them, and everything that it ever used."""

    account: UUID
    credit: int = 0
    creating: dict[UUID, int] = field(default_factory=dict)
    machines: dict[UUID, Period] = field(default_factory=dict)
    addresses: dict[str, tuple[UUID, Period]] = field(default_factory=dict)
    backups: dict[UUID, Period] = field(default_factory=dict)
    used: list[Period] = field(default_factory=list)

    def begin(self, period: Period) -> Period:
        self.used.append(period)
        return period


class Timeline:
    """What something cost when."""

    def __init__(self, cents: int) -> None:
        self.since: list[float] = [float("-inf")]
        self.cents = [cents]

    def at(self, moment: datetime) -> int:
        return self.cents[bisect_right(self.since, moment.timestamp()) - 1]

    def change(self, moment: datetime, cents: int) -> None:
        place = bisect_right(self.since, moment.timestamp())
        if self.since[place - 1] == moment.timestamp():
            self.cents[place - 1] = cents
        elif self.cents[place - 1] != cents:
            self.since.insert(place, moment.timestamp())
            self.cents.insert(place, cents)


class World:
    """Some histories at once, under one clock that may be put back, with workers that charge and die."""

    def __init__(self, pool: Pool, seed: str, prices: dict[str, Timeline], free: list[str], now: datetime) -> None:
        self.pool, self.prices, self.free = pool, prices, free
        self.random = random.Random(seed)  # noqa: S311 - the same history again, whenever it is asked for
        self.now = self.latest = now
        self.histories: list[History] = []
        self.taken: set[str] = set()
        self.went_back = False

    async def begin(self, histories: int) -> None:
        async with transaction(self.pool) as tx:
            self.histories = [History(await new_account(tx, self.now)) for _ in range(histories)]

    async def live(self, ticks: int) -> None:
        """Something happens to everybody at each tick, while workers charge; in the end everything is given back."""
        for _ in range(ticks):
            self.pass_time()
            if self.random.random() < 0.3:
                await self.change_a_price()
            await asyncio.gather(self.everybody(self.choose), *(self.workers() if self.random.random() < 0.6 else ()))
        while await self.everybody(self.let_go):
            self.pass_time()
        self.now = self.latest = max(self.now, self.latest) + timedelta(days=33)
        for job in (post_charges, close_months):
            await job(self.pool, SetClock(self.now))

    def pass_time(self) -> None:
        self.taken.clear()
        seconds = self.random.choice(JUMPS) + self.random.random()
        back = self.random.random() < 0.1
        self.went_back |= back
        self.now += timedelta(seconds=-min(seconds, 7300) if back else seconds)
        self.latest = max(self.latest, self.now)

    async def change_a_price(self) -> None:
        name, cents = self.random.choice(list(self.prices)), self.random.choice((0, 1, 3, 7, 45, 120, 301, 99_999))
        async with transaction(self.pool) as tx:
            if name == TYPE:
                assert await set_type_price(tx, TYPE, cents, self.now)
            else:
                await set_price(tx, ADDRESS if name == ADDRESS else STORAGE, cents, self.now)
        self.prices[name].change(self.now, cents)

    def workers(self) -> list[Awaitable[None]]:
        """Eight of them, whose clocks differ by a few seconds; some die in the middle, and two close months."""
        jobs: list[Awaitable[None]] = []
        for number in range(WORKERS):
            clock = SetClock(self.now + SKEW * self.random.randint(-3, 3) / 3)
            self.latest = max(self.latest, clock.at)
            job = close_months if number < 2 else post_charges
            jobs.append(self.mortal(job(self.pool, clock, batch=20)))
        return jobs

    async def mortal(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        if self.random.random() < 0.3:
            for _ in range(self.random.randrange(60)):
                await asyncio.sleep(0)
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    async def everybody(self, choose: Callable[[History], Command | None]) -> bool:
        """A command for each history, a few of them a transaction; what dies with its process has not happened. False
        when there was nothing to do."""
        chosen = [command for each in self.histories if (command := choose(each)) is not None]
        await asyncio.gather(
            *(self.together(chosen[first : first + TOGETHER]) for first in range(0, len(chosen), TOGETHER))
        )
        return bool(chosen)

    async def together(self, commands: list[Command]) -> None:
        dies = self.random.random() < 0.1
        with suppress(Crash):
            async with transaction(self.pool) as tx:
                for do, _ in commands:
                    await do(tx)
                if dies:
                    raise Crash
            for _, note in commands:
                note()

    def late(self) -> datetime:
        """What a process whose clock is slow takes for now."""
        slow = self.random.random() < 0.1
        self.went_back |= slow
        return self.now - timedelta(hours=30) if slow else self.now

    # What may happen to a history

    def choose(self, history: History) -> Command | None:
        choices: list[Callable[[History], Command | None]] = [self.launch, self.launch, self.ready_or_failed]
        choices += [self.add_address, self.add_backup, self.remove_address, self.remove_backup, self.delete, self.pay]
        self.random.shuffle(choices)
        return next(filter(None, (each(history) for each in choices)), None)

    def launch(self, history: History) -> Command:
        machine, now, price = uuid4(), self.now, self.prices[TYPE].at(self.now)

        async def do(tx: Tx) -> None:
            query = "select cents from prices where instance_type = %s and during @> %s"
            ((found,),) = await rows(tx, query, TYPE, now)
            values = {"id": machine, "account_id": history.account, "name": str(machine), "price": found, "now": now}
            await tx.execute(MACHINE, values)

        return do, lambda: history.creating.update({machine: price})

    def ready_or_failed(self, history: History) -> Command | None:
        if not history.creating:
            return None
        machine, price = self.random.choice(list(history.creating.items()))
        now, ready = self.late(), self.random.random() < 0.8

        async def do(tx: Tx) -> None:
            if ready:
                await begin_usage(tx, machine, now)

        def note() -> None:
            del history.creating[machine]
            if ready:
                history.machines[machine] = history.begin(Period("instance", str(machine), price, now))

        return do, note

    def delete(self, history: History) -> Command | None:
        if not history.machines:
            return None
        machine, now = self.random.choice(list(history.machines)), self.late()

        async def do(tx: Tx) -> None:
            await tx.execute(RELEASE.format("instance_id = %s"), (machine,))
            await end_usage(tx, machine, now)
            await end_address_usage(tx, machine, None, now)

        def note() -> None:
            history.machines.pop(machine).ended = now
            for address in [each for each, (owner, _) in history.addresses.items() if owner == machine]:
                self.give_back(history, address, now)

        return do, note

    def give_back(self, history: History, address: str, now: datetime) -> None:
        history.addresses.pop(address)[1].ended = now
        self.free.append(address)

    def add_address(self, history: History) -> Command | None:
        free = [each for each in self.free if each not in self.taken]
        if not history.machines or not free:
            return None
        machine, now = self.random.choice(list(history.machines)), self.now
        address, price = self.random.choice(free), self.prices[ADDRESS].at(now)
        self.taken.add(address)

        async def do(tx: Tx) -> None:
            await tx.execute(TAKE, (machine, machine, await price_of(tx, ADDRESS, now), address))
            await begin_address_usage(tx, machine, address, now)

        def note() -> None:
            self.free.remove(address)
            history.addresses[address] = (machine, history.begin(Period("address", address, price, now)))

        return do, note

    def remove_address(self, history: History) -> Command | None:
        if not history.addresses:
            return None
        address, now = self.random.choice(list(history.addresses)), self.now
        machine = history.addresses[address][0]

        async def do(tx: Tx) -> None:
            await tx.execute(RELEASE.format("address = %s"), (address,))
            await end_address_usage(tx, machine, address, now)

        return do, lambda: self.give_back(history, address, now)

    def add_backup(self, history: History) -> Command | None:
        if not history.machines:
            return None
        machine, backup, now = self.random.choice(list(history.machines)), uuid4(), self.now
        size, price = self.random.choice(SIZES), self.prices[STORAGE].at(now)

        async def do(tx: Tx) -> None:
            await tx.execute(BACKUP, (backup, history.account, machine, str(backup), size, now, now))
            await begin_backup_usage(tx, backup, now)

        def note() -> None:
            history.backups[backup] = history.begin(Period("backup", str(backup), price, now, size))

        return do, note

    def remove_backup(self, history: History) -> Command | None:
        if not history.backups:
            return None
        backup, now = self.random.choice(list(history.backups)), self.now

        async def do(tx: Tx) -> None:
            await end_backup_usage(tx, backup, now)

        def note() -> None:
            history.backups.pop(backup).ended = now

        return do, note

    def pay(self, history: History) -> Command:
        cents, now = self.random.choice((1, 2500, 100_000, -7)), self.late()

        async def do(tx: Tx) -> None:
            await credit(tx, history.account, cents, "test", now)

        def note() -> None:
            history.credit += cents

        return do, note

    def let_go(self, history: History) -> Command | None:
        return self.delete(history) or self.remove_backup(history)


TAKE = """update addresses set instance_id = %s, is_primary = false, assigned_at = now(),
            nic = (select coalesce(max(nic), 0) + 1 from addresses where instance_id = %s),
            price_cents_per_month = %s where address = %s"""
RELEASE = """update addresses set instance_id = null, is_primary = null, assigned_at = null, nic = null,
               price_cents_per_month = null where {}"""
BACKUP = """insert into backups (id, account_id, instance_id, host_id, vmid, storage, volid, status, disk_gb,
                                 size_bytes, format, requested_at, created_at)
            values (%s, %s, %s, 'h', 1, 's', %s, 'available', 1, %s, 'pbs-vm', %s, %s)"""
