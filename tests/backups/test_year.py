"""A year of schedules, with outages and busy instances, against what the calendar and the rules of lateness say."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from backups.calendar_of import by_calendar
from backups.scheduled import Scheduled
from bluelobster.backups.slots import Rhythm

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEGIN = datetime(2027, 8, 15, 12, 34, 56, tzinfo=UTC)
END = datetime(2028, 9, 2, tzinfo=UTC)
RHYTHMS = (
    Rhythm("daily", 3),
    Rhythm("weekly", 17, day_of_week=2),
    Rhythm("monthly", 0, day_of_month=29),
    Rhythm("monthly", 12, day_of_month=30),
    Rhythm("monthly", 23, day_of_month=31),
)
Span = tuple[datetime, datetime]
# Nobody looks in these: shorter than half a day, longer, over several days, over the ends of months, over a month.
OUTAGES: list[Span] = [
    (datetime(2027, 9, 10, 2, 59, 59, tzinfo=UTC), datetime(2027, 9, 10, 13, tzinfo=UTC)),
    (datetime(2027, 9, 20, 2, 59, tzinfo=UTC), datetime(2027, 9, 20, 15, 0, 1, tzinfo=UTC)),
    (datetime(2027, 10, 12, 1, tzinfo=UTC), datetime(2027, 10, 17, 9, tzinfo=UTC)),
    (datetime(2027, 11, 29, 20, tzinfo=UTC), datetime(2027, 12, 13, 11, tzinfo=UTC)),
    (datetime(2028, 2, 28, 22, tzinfo=UTC), datetime(2028, 3, 1, 1, tzinfo=UTC)),
    (datetime(2028, 4, 28, 1, tzinfo=UTC), datetime(2028, 6, 14, 1, tzinfo=UTC)),
]
# Another operation runs in these.
BUSY: list[Span] = [
    (datetime(2027, 9, 30, 11, tzinfo=UTC), datetime(2027, 9, 30, 16, tzinfo=UTC)),
    (datetime(2028, 1, 5, 2, tzinfo=UTC), datetime(2028, 1, 12, 18, tzinfo=UTC)),
    (datetime(2028, 7, 29, 0, tzinfo=UTC), datetime(2028, 8, 17, 0, tzinfo=UTC)),
]


def inside(spans: Sequence[Span], moment: datetime) -> bool:
    return any(begin <= moment < end for begin, end in spans)


def looks(random: Random) -> list[datetime]:
    """When workers look: not every minute, for a year has half a million of them, but never far from a slot's edge."""
    at_slots = {slot for rhythm in RHYTHMS for slot in by_calendar(rhythm, BEGIN, END)}
    near = {slot + random.choice((-1, 0, 0, 1)) * timedelta(seconds=1) for slot in at_slots}
    somewhere = {BEGIN + random.random() * (END - BEGIN) for _ in range(2000)}
    ends = {end for _, end in OUTAGES + BUSY}
    return sorted(each for each in near | somewhere | ends | {END} if not inside(OUTAGES, each))


def expected(rhythm: Rhythm, moments: Sequence[datetime]) -> dict[datetime, datetime | None]:
    """By slot, the moment at which its backup begins; None for one that is missed."""
    found: dict[datetime, datetime | None] = {}
    for slot, following in itertools.pairwise(by_calendar(rhythm, BEGIN, END + 31 * DAY)):
        half = slot + (following - slot) / 2
        if slot <= moments[-1]:
            in_time = (each for each in moments if slot <= each <= half and not inside(BUSY, each))
            found[slot] = next(in_time, None)
    return found


async def test_a_year_gives_exactly_its_slots(scheduled: Scheduled) -> None:
    moments = looks(Random(2028))  # noqa: S311
    scheduled.clock.at = BEGIN
    rhythm_of: dict[UUID, Rhythm] = {}
    for rhythm in RHYTHMS:
        rhythm_of[await scheduled.instance()] = rhythm
    for instance_id, rhythm in rhythm_of.items():
        await scheduled.schedule(instance_id, rhythm)

    was_busy = False
    for moment in moments:
        is_busy = inside(BUSY, moment)
        if is_busy and not was_busy:
            for instance_id in rhythm_of:
                await scheduled.hold(instance_id)
        if was_busy and not is_busy:
            await scheduled.end("reboot_instance")
        was_busy = is_busy
        await scheduled.look(moment)
        await scheduled.end("backup_instance")

    for instance_id, rhythm in rhythm_of.items():
        wanted = expected(rhythm, moments)
        rows = await scheduled.rows(instance_id)
        assert {slot: requested for slot, _, requested in rows} == wanted, rhythm
        assert {slot: outcome for slot, outcome, _ in rows} == {
            slot: "missed" if begun is None else "started" for slot, begun in wanted.items()
        }
        assert None in wanted.values(), "the year has nothing to miss"
    ((tasks, made),) = await scheduled.run(
        "select count(*), count(distinct backup_id) from tasks where operation = 'backup_instance'"
    )
    ((started,),) = await scheduled.run("select count(*) from backup_slots where outcome = 'started'")
    ((backups,),) = await scheduled.run("select count(*) from backups where scheduled")
    assert tasks == made == started == backups > 300


async def test_the_year_s_days() -> None:
    """What the expectation is made of, said once in plain dates."""
    last_days = [slot.strftime("%m-%d") for slot in by_calendar(RHYTHMS[4], BEGIN, END)]
    assert last_days == [
        *("08-31", "09-30", "10-31", "11-30", "12-31", "01-31", "02-29", "03-31", "04-30"),
        *("05-31", "06-30", "07-31", "08-31"),
    ]
    assert sum(1 for _ in by_calendar(RHYTHMS[0], BEGIN, END)) == 383
