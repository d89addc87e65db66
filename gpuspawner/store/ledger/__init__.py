"""The money: an append-only ledger in double entry, in the controller's own database.

Amounts are whole micros of the course's unit, times whole UTC seconds (`policy.money.seconds_of`).
Every function is one step inside the caller's transaction, as everywhere in the store: it does all
that it says, or raises and `Database.run` undoes everything. What is a fact (transactions, their
postings, prices, what was seen of a resource) is never changed or deleted; the database refuses it.

    accounts    courses, and who has what
    people      the one table with names: found, exported, erased
    credit      fund, grant, expire            reversals   take something back, once
    holds       credit set aside for a start   prices      immutable rows, in two books
    opening     begin meters                   meters      find and continue them
    settling    charge what was used; close    switching   another price, payer or quantity
    standing    balances, pool, burn           statement   every line that somebody pays
    sightings   what was seen of a resource    checks      counts everything again
    acts        what people did, and why

To keep two transactions from waiting for each other, each takes its locks in one order: meters
first, then accounts by number. `settle_all` does so for many; who settles one by one in a single
transaction may be told to try again by PostgreSQL.
"""

from gpuspawner.store.ledger.accounts import (
    configure_course,
    course,
    course_account,
    find_account,
    find_accounts,
    get_account,
    student_account,
)
from gpuspawner.store.ledger.acts import Act, acts, grant_of, note_of, written_at
from gpuspawner.store.ledger.checks import differences
from gpuspawner.store.ledger.credit import expire, fund, grant
from gpuspawner.store.ledger.holds import (
    place_hold,
    release_hold,
    release_holds,
    sweep_holds,
    top_up,
)
from gpuspawner.store.ledger.meters import get_meter, meter_of, open_meters
from gpuspawner.store.ledger.opening import Opening, begin_meters, open_meter
from gpuspawner.store.ledger.people import (
    describe_person,
    erase_person,
    export_person,
    find_named,
    find_person,
    find_user,
    get_person,
    known_people,
    people,
    person_expected,
    person_for,
)
from gpuspawner.store.ledger.prices import add_price, current_prices, price_at
from gpuspawner.store.ledger.records import (
    Account,
    AccountKind,
    Actor,
    Course,
    Hold,
    Kind,
    Lot,
    Meter,
    Person,
    Price,
    Role,
    Settled,
    Sku,
)
from gpuspawner.store.ledger.reversals import reverse
from gpuspawner.store.ledger.settling import Closing, close, close_all, settle, settle_all
from gpuspawner.store.ledger.sightings import saw, saw_all, sightings
from gpuspawner.store.ledger.standing import (
    balance,
    burn,
    grants,
    holds,
    pool_summary,
    standing,
    standings,
)
from gpuspawner.store.ledger.statement import statement
from gpuspawner.store.ledger.switching import (
    Switching,
    follow_prices,
    pay_from_pool,
    switch,
    switch_all,
)

__all__ = [
    "Account",
    "AccountKind",
    "Act",
    "Actor",
    "Closing",
    "Course",
    "Hold",
    "Kind",
    "Lot",
    "Meter",
    "Opening",
    "Person",
    "Price",
    "Role",
    "Settled",
    "Sku",
    "Switching",
    "acts",
    "add_price",
    "balance",
    "begin_meters",
    "burn",
    "close",
    "close_all",
    "configure_course",
    "course",
    "course_account",
    "current_prices",
    "describe_person",
    "differences",
    "erase_person",
    "expire",
    "export_person",
    "find_account",
    "find_accounts",
    "find_named",
    "find_person",
    "find_user",
    "follow_prices",
    "fund",
    "get_account",
    "get_meter",
    "get_person",
    "grant",
    "grant_of",
    "grants",
    "holds",
    "known_people",
    "meter_of",
    "note_of",
    "open_meter",
    "open_meters",
    "pay_from_pool",
    "people",
    "person_expected",
    "person_for",
    "place_hold",
    "pool_summary",
    "price_at",
    "release_hold",
    "release_holds",
    "reverse",
    "saw",
    "saw_all",
    "settle",
    "settle_all",
    "sightings",
    "standing",
    "standings",
    "statement",
    "student_account",
    "sweep_holds",
    "switch",
    "switch_all",
    "top_up",
    "written_at",
]
