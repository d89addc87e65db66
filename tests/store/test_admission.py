"""A start and the credit that it takes are written together, or not at all; on both databases."""

from __future__ import annotations

import pytest
from sqlalchemy.exc import ProgrammingError

from gpuspawner.errors import ControllerUnavailable, NotTheOwner
from gpuspawner.model import Claim, Desired, Owner, Reason
from gpuspawner.policy.credit_rules import CreditRules, Fuses
from gpuspawner.policy.money import Book, Component
from gpuspawner.policy.payers import hold_ref
from gpuspawner.store import allowance, brake, claims, ledger
from gpuspawner.store.admission import Refused
from gpuspawner.store.database import Connection, Database
from gpuspawner.store.ledger import Sku
from tests.store.starts import (
    HOLDS,
    LARGE,
    NOW,
    RATES,
    SMALL,
    UNIT,
    account,
    begin,
    fund,
    holds,
    pool,
    price,
    terms,
)
from tests.store.wishes import NAME, SPECIFICATION, at

OTHER = Owner("8", "bora", "")
SECOND = NAME.replace("aaaa", "bbbb")
ACTOR = "admin:p-1"


@pytest.fixture
async def funded(database: Database) -> Database:
    await database.run(price)
    await database.run(fund, 100 * UNIT)
    return database


def refusal(answer: Claim | Refused) -> tuple[Reason, str]:
    assert isinstance(answer, Refused), answer
    return answer.error.reason, answer.error.public.text("en")


class TestAStart:
    async def test_sets_aside_what_it_takes(self, funded: Database):
        claim = await funded.run(begin)
        assert isinstance(claim, Claim)
        assert (claim.desired, claim.generation) == (Desired.RUNNING, 1)
        assert await funded.run(holds) == {hold_ref(NAME, 1): HOLDS[SMALL]}

    async def test_sets_aside_for_the_dearest_size_that_it_may_get(self, funded: Database):
        claim = await funded.run(begin, specification=SPECIFICATION)
        assert isinstance(claim, Claim)
        assert claim.specification.sizes == (SMALL, LARGE)
        assert await funded.run(holds) == {hold_ref(NAME, 1): HOLDS[LARGE]}

    async def test_is_refused_with_what_there_is_what_is_needed_and_the_ways_on(
        self, funded: Database
    ):
        poor = terms(student_credit=100_000)
        answer = await funded.run(begin, on=poor)
        assert refusal(answer) == (
            Reason.CREDIT,
            (
                "You have $0.10 of credit, and this machine needs $0.31 to start. Your credit would be "
                "enough for t3: pick such a machine if it is on the list, or ask your teacher for more "
                "credit. Your files are kept."
            ),
        )
        assert await funded.read(claims.all_claims) == []
        assert await funded.run(holds) == {}

    async def test_that_can_be_paid_to_the_micro_is_admitted(self, funded: Database):
        just, less = (terms(student_credit=HOLDS[SMALL] - short) for short in (0, 1))
        assert isinstance(await funded.run(begin, on=just), Claim)
        assert isinstance(await funded.run(begin, on=less, name=SECOND, owner=OTHER), Refused)

    async def test_of_another_user_changes_nothing(self, funded: Database):
        await funded.run(begin)
        with pytest.raises(NotTheOwner):
            await funded.run(begin, owner=OTHER)
        assert await funded.run(holds, OTHER) == {}

    async def test_without_enforcement_takes_nothing(self, database: Database):
        assert isinstance(await database.run(begin, on=terms(enforce=False)), Claim)
        assert await database.run(holds) == {}


class TestAPriceThatIsNotKnown:
    async def test_starts_nothing(self, database: Database):
        await database.run(fund, 100 * UNIT)
        reason, sentence = refusal(await database.run(begin))
        assert reason is Reason.PRICE
        assert sentence.startswith("The price of this machine (g4dn.xlarge) is not known")

    @pytest.mark.parametrize("book", list(Book))
    async def test_in_one_of_the_books_starts_nothing(self, database: Database, book: Book):
        await database.run(fund, 100 * UNIT)
        await database.run(price, books=(book,))
        assert refusal(await database.run(begin))[0] is Reason.PRICE

    async def test_takes_that_size_off_the_ladder(self, database: Database):
        await database.run(fund, 100 * UNIT)
        await database.run(price, LARGE)
        claim = await database.run(begin, specification=SPECIFICATION)
        assert isinstance(claim, Claim)
        assert claim.specification.sizes == (LARGE,)


class TestTheFirstSight:
    async def test_gives_a_student_their_share_of_the_pool_once(self, funded: Database):
        for second in (0, 60, 120):
            await funded.run(begin, second)
        standing = await funded.read(ledger.standing, await funded.run(account), NOW)
        assert (standing.balance, await funded.read(pool)) == (5 * UNIT, 95 * UNIT)

    async def test_gives_a_student_who_is_refused_their_share_all_the_same(self, funded: Database):
        assert isinstance(await funded.run(begin, on=terms(student_credit=1)), Refused)
        assert await funded.read(pool) == 100 * UNIT - 1

    async def test_gives_nothing_from_a_pool_that_has_too_little(self, database: Database):
        await database.run(price)
        await database.run(fund, 5 * UNIT - 1)
        assert refusal(await database.run(begin))[0] is Reason.CREDIT
        assert await database.read(pool) == 5 * UNIT - 1


class TestTheCourse:
    async def test_is_given_its_credit_once(self, database: Database):
        for _start in range(3):
            assert await database.run(allowance.fund_course, 10 * UNIT, NOW) == 10 * UNIT
        assert await database.read(pool) == 10 * UNIT

    async def test_is_given_the_rest_when_the_number_is_raised(self, database: Database):
        await database.run(allowance.fund_course, 10 * UNIT, NOW)
        await database.run(allowance.fund_course, 15 * UNIT, NOW)
        assert await database.read(pool) == 15 * UNIT

    async def test_keeps_what_it_has_when_the_number_is_lowered(self, database: Database):
        await database.run(allowance.fund_course, 10 * UNIT, NOW)
        assert await database.run(allowance.fund_course, 4 * UNIT, NOW) == 10 * UNIT
        assert await database.run(allowance.fund_course, 10 * UNIT, NOW) == 10 * UNIT
        assert await database.read(pool) == 10 * UNIT


class TestASecondStart:
    async def test_of_the_same_machine_takes_the_place_of_the_first(self, funded: Database):
        once = terms(student_credit=HOLDS[SMALL])
        for second in (0, 60):
            assert isinstance(await funded.run(begin, second, on=once), Claim)
        assert await funded.run(holds) == {hold_ref(NAME, 2): HOLDS[SMALL]}

    async def test_of_another_machine_needs_credit_of_its_own(self, funded: Database):
        twice = terms(student_credit=2 * HOLDS[SMALL])
        assert isinstance(await funded.run(begin, on=twice), Claim)
        assert isinstance(await funded.run(begin, on=twice, name=SECOND), Claim)
        third = NAME.replace("aaaa", "cccc")
        assert refusal(await funded.run(begin, on=twice, name=third))[0] is Reason.CREDIT

    async def test_counts_what_runs_and_is_not_charged_yet(self, funded: Database):
        def run(c: Connection) -> None:
            ledger.open_meter(
                c, ledger.course(c).id, "i-1", Component.COMPUTE, start="1", payer=account(c),
                sku=Sku("aws", "us-east-1", SMALL), opened_at=NOW, reason="seen",
            )  # fmt: skip

        just = terms(student_credit=HOLDS[SMALL] + 526_000)
        await funded.run(begin, on=just)
        await funded.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(1))
        await funded.run(run)
        assert isinstance(await funded.run(begin, 3601, on=just), Refused)
        assert isinstance(await funded.run(begin, 3600, on=just), Claim)


class TestALimitPerDay:
    def used(self, micros_an_hour: int = 526_000):
        """A machine that has run for an hour and was read at its end."""

        def run(c: Connection) -> None:
            course = ledger.course(c).id
            meter = ledger.open_meter(
                c, course, "i-9", Component.COMPUTE, start="1", payer=account(c),
                sku=Sku("aws", "us-east-1", SMALL), opened_at=NOW - 3600, reason="seen",
            )  # fmt: skip
            ledger.close(c, meter.id, NOW, reason="stopped", now=NOW)

        return run

    @pytest.mark.parametrize("of", ["student", "course", "hub"])
    async def test_is_kept_whatever_else_there_is(self, funded: Database, of: str):
        await funded.run(begin, on=terms(student_credit=9 * UNIT))
        await funded.run(self.used())
        least = HOLDS[SMALL] - RATES[SMALL].num // 2
        kept, broken = (
            terms(rules=CreditRules(fuses=Fuses(**{of: 526_000 + least - short})))
            for short in (0, 1)
        )
        assert refusal(await funded.run(begin, 1, on=broken))[0] is Reason.LIMIT
        assert isinstance(await funded.run(begin, 1, on=kept), Claim)

    async def test_begins_anew_at_midnight_where_the_class_is(self, funded: Database):
        await funded.run(begin, on=terms(student_credit=9 * UNIT))
        await funded.run(self.used())
        tight = terms(rules=CreditRules(fuses=Fuses(student=560_000)))

        def move(c: Connection) -> None:
            ledger.configure_course(c, unit="USD", cost_unit="USD", timezone="Asia/Seoul")

        evening = 6 * 3600 - 1  # 15:00 UTC is midnight in Seoul, and it is nine
        assert refusal(await funded.run(begin, evening, on=tight))[0] is Reason.LIMIT
        assert refusal(await funded.run(begin, evening + 1, on=tight))[0] is Reason.LIMIT
        await funded.run(move)
        assert refusal(await funded.run(begin, evening, on=tight))[0] is Reason.LIMIT
        assert isinstance(await funded.run(begin, evening + 1, on=tight), Claim)


class TestStopEverything:
    async def test_stops_what_runs_and_lets_nothing_start_until_it_is_lifted(
        self, funded: Database
    ):
        await funded.run(begin)
        stopped = await funded.run(brake.stop_everything, "a leak", at(5), actor=ACTOR)
        assert [(one.name, one.desired, one.reason) for one in stopped] == [
            (NAME, Desired.STOPPED, Reason.EVERYTHING_STOPPED)
        ]
        for enforce in (True, False):
            answer = await funded.run(begin, 6, on=terms(enforce=enforce))
            assert refusal(answer)[0] is Reason.EVERYTHING_STOPPED
        assert await funded.run(brake.lift, "mended", at(7), actor=ACTOR)
        assert isinstance(await funded.run(begin, 8), Claim)

    async def test_is_written_down_with_who_and_why(self, funded: Database):
        assert await funded.read(brake.brake) is None
        await funded.run(brake.stop_everything, "a leak", at(5), actor=ACTOR)
        assert await funded.read(brake.brake) == brake.Brake(at(5), ACTOR, "a leak")

    async def test_is_not_lifted_when_it_is_not_in_force(self, funded: Database):
        assert not await funded.run(brake.lift, "mended", at(7), actor=ACTOR)
        assert await funded.read(brake.brake) is None


async def test_a_stop_is_allowed_when_the_ledger_is_gone_and_a_start_is_not(own: Database):
    """Fail closed where money begins to flow, and open where it ends."""
    await own.run(price)
    await own.run(fund, 100 * UNIT)
    await own.run(begin)

    def lose(c: Connection) -> None:
        for table in ("holds", "lots", "postings"):
            c.exec_driver_sql(f"ALTER TABLE {table} RENAME TO lost_{table}")

    await own.run(lose)
    with pytest.raises((ControllerUnavailable, ProgrammingError)):
        await own.run(begin, 60)
    claim = await own.run(claims.put_stopped, NAME, 1, Reason.USER, None, at(61))
    assert claim.desired is Desired.STOPPED


async def test_the_hold_of_a_start_ends_by_itself_some_time_after_the_start(funded: Database):
    await funded.run(begin)
    later = NOW + 900 + 600
    assert await funded.run(ledger.sweep_holds, later - 1) == []
    assert [one.ref for one in await funded.run(ledger.sweep_holds, later)] == [hold_ref(NAME, 1)]
