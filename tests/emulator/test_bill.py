"""The bill that a real AWS would send: worked out by hand here, and independent of any ledger."""

from gpuspawner.emulator.bill import Bill
from gpuspawner.emulator.ec2_prices import PRICES

HOUR = 3600.0


def test_a_machine_is_billed_by_the_second_from_running_to_stopping() -> None:
    bill = Bill(PRICES)
    bill.machine_runs("i-1", "g4dn.xlarge", 0)
    bill.machine_ends("i-1", 1.5 * HOUR)

    statement = bill.statement(10 * HOUR)

    assert statement["totals"] == {"machine": 789_000, "disk": 0, "address": 0, "all": 789_000}


def test_a_machine_that_still_runs_is_billed_until_now() -> None:
    bill = Bill(PRICES)
    bill.machine_runs("i-1", "g4dn.xlarge", 0)

    (line,) = bill.statement(HOUR)["lines"]

    assert (line["to"], line["billed_seconds"], line["micros"]) == (None, 3600, 526_000)


def test_every_start_is_billed_for_sixty_seconds_at_least() -> None:
    bill = Bill(PRICES)
    for start in (0, 100, 200):
        bill.machine_runs("i-1", "g4dn.xlarge", start)
        bill.machine_ends("i-1", start + 10)

    assert [line["billed_seconds"] for line in bill.statement(HOUR)["lines"]] == [60, 60, 60]


def test_sixty_one_seconds_are_not_rounded_up_to_a_minute_more() -> None:
    bill = Bill(PRICES)
    bill.machine_runs("i-1", "g4dn.xlarge", 0)
    bill.machine_ends("i-1", 61)

    assert bill.statement(HOUR)["lines"][0]["billed_seconds"] == 61


def test_seconds_are_counted_between_those_in_which_both_ends_are_listed() -> None:
    bill = Bill(PRICES)
    bill.machine_runs("i-1", "g4dn.xlarge", 0.9)
    bill.machine_ends("i-1", 100.1)

    assert bill.statement(HOUR)["lines"][0]["seconds"] == 100


def test_a_disk_of_sixty_gib_costs_four_dollars_eighty_for_any_calendar_month() -> None:
    bill, january = Bill(PRICES), 31 * 24 * HOUR
    bill.disk_exists("vol-1", "gp3", 60, 0)
    february = january + 28 * 24 * HOUR
    assert bill.statement(february)["totals"]["disk"] == 2 * 4_800_000

    assert bill.statement(january)["totals"]["disk"] == 4_800_000


def test_a_deleted_disk_costs_no_more() -> None:
    bill = Bill(PRICES)
    bill.disk_exists("vol-1", "gp3", 60, 0)
    bill.disk_is_gone("vol-1", 24 * HOUR)

    assert bill.statement(30 * 24 * HOUR)["totals"]["disk"] == 4_800_000 // 31


def test_a_price_that_changes_counts_from_then_on_and_the_minimum_of_a_start_once() -> None:
    bill = Bill(PRICES)
    bill.machine_runs("i-1", "g4dn.xlarge", 0)
    bill.machine_runs("i-2", "g6.xlarge", 0)
    bill.reprice({"g4dn.xlarge": 3_600_000}, 10)
    bill.machine_ends("i-1", 70)
    lines = [
        (line["id"], line["billed_seconds"], line["micros"]) for line in bill.statement(70)["lines"]
    ]
    assert lines == [
        ("i-1", 60, 60 * 526_000 // 3600),
        ("i-2", 70, 70 * 805_000 // 3600),
        ("i-1", 10, 10_000),
    ]


def test_an_address_costs_half_a_cent_an_hour() -> None:
    bill = Bill(PRICES)
    bill.address_exists("i-1", 0)
    bill.address_is_gone("i-1", 10 * HOUR)

    assert bill.statement(20 * HOUR)["totals"]["address"] == 50_000


def test_a_line_says_from_when_to_when_and_at_what_price() -> None:
    bill = Bill(PRICES)
    bill.machine_runs("i-1", "g5.xlarge", 1_800_000_000)
    bill.machine_ends("i-1", 1_800_000_120)

    assert bill.statement(1_800_009_999)["lines"] == [
        {
            "kind": "machine",
            "id": "i-1",
            "what": "g5.xlarge",
            "from": "2027-01-15T08:00:00.000Z",
            "to": "2027-01-15T08:02:00.000Z",
            "seconds": 120,
            "billed_seconds": 120,
            "quantity": 1,
            "price_micros": 1_006_000,
            "per_seconds": 3600,
            "micros": 33_533,
        }
    ]


def test_a_type_without_a_price_is_named_and_not_hidden() -> None:
    bill = Bill(PRICES)
    bill.machine_runs("i-1", "x2gd.metal", 0)

    assert bill.statement(HOUR)["unpriced"] == ["x2gd.metal"]


def test_types_with_prices_are_not_named() -> None:
    bill = Bill(PRICES)
    bill.machine_runs("i-1", "g5.xlarge", 0)

    assert bill.statement(HOUR)["unpriced"] == []


def test_the_end_of_what_never_began_changes_nothing() -> None:
    bill = Bill(PRICES)
    bill.machine_ends("i-1", 5)
    bill.disk_is_gone("vol-1", 5)

    assert bill.statement(HOUR)["lines"] == []
