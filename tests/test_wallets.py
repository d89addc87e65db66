"""What the hub's pages say of a student's credit: never too much, in words, and without the controller too."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gpuspawner import amounts, wallets
from gpuspawner.client_wallets import KEPT_SECONDS, Wallets
from gpuspawner.errors import ControllerUnavailable
from gpuspawner.language import say
from gpuspawner.model import Desired, Owner, Stage
from gpuspawner.options_form import render
from gpuspawner.profiles import load
from gpuspawner.spawner_card import server_card
from gpuspawner.testing import FakeClock
from gpuspawner.views import ClaimView, CreditView, SessionView
from gpuspawner.wallets import Session, Size, Wallet
from tests.controllers.stage import SMALL
from tests.hub.fake_controller import T4

HOUR = 3600
T0 = FakeClock().now()
SAID = {
    "unit": "USD", "shown": True, "balance": 13_000_000, "available": 12_000_000,
    "live": 12_345_678, "per_hour": 0, "runs_for_seconds": None,
    "sizes": {"g4dn.xlarge": {"per_hour": 526_000, "runs_for_seconds": 34_859}},
    "sessions": {
        "c": {"started_at": "", "stopped_at": "2026-11-23T10:00:00+00:00", "seconds": 4320,
              "charged": 631_200},
        "on": {"started_at": "", "stopped_at": None, "seconds": 60, "charged": 1},
    },
}  # fmt: skip


def wallet(**changes) -> Wallet:
    return Wallet.from_json(SAID | changes)


def test_what_the_controller_sends_is_what_is_known():
    assert wallet() == Wallet(
        "USD", True, 12_345_678, None, {"g4dn.xlarge": Size(526_000, 34_859)},
        {"c": Session(4320, 631_200, True), "on": Session(60, 1, False)},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("micros", "unit", "text"),
    [
        (12_345_678, "USD", "$12.34"),
        (-1, "USD", "-$0.01"),
        (1_234_567_890, "KRW", "₩1,234"),
        (999_999, "USD", "$0.99"),
        (12_345_678, "credit", "12.34 credits"),
        (0, "CHF", "0.00 CHF"),
    ],
)
def test_an_amount_is_rounded_down(micros, unit, text):
    assert amounts.amount_text(micros, unit) == text


@pytest.mark.parametrize(
    ("micros", "text"), [(526_000, "$0.526"), (10_000_000, "$10.00"), (-8_767, "-$0.0088")]
)
def test_a_fine_amount_shows_what_there_is(micros, text):
    assert amounts.amount_text(micros, "USD", fine=True) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (59, "not enough credit"),
        (60, "about 1 min on this machine"),
        (3599, "about 59 min on this machine"),
        (34_859, "about 9 h 40 min on this machine"),
        (HOUR + 299, "about 1 h 0 min on this machine"),
    ],
)
def test_a_length_of_time_is_never_promised_too_long(seconds, text):
    assert wallets.lasts(seconds).text() == text


def test_nothing_is_promised_where_nothing_is_charged():
    assert wallets.lasts(None) is None


def test_the_last_session_is_told_when_it_is_over():
    said = wallets.cost(wallet(), "c")
    assert said.text() == "The last session took 1 h 12 min and cost $0.6312."
    assert said.text("ko") == "지난 세션은 1시간 12분 동안 이어졌고 비용은 $0.6312입니다."
    assert wallets.cost(wallet(), "on") is None
    assert wallets.cost(wallet(), "another") is None


def test_a_unit_without_a_sign_reads_the_same_in_every_language():
    said = wallets.balance(wallet(unit="credit"))
    assert (said.text(), said.text("ko")) == ("Balance: 12.34", "잔액: 12.34")


# -- on the cards


def form(**more) -> str:
    profiles = load([{"display_name": "T4", "gpuspawner_override": {"sizes": ["g4dn.xlarge"]}}])
    return render(profiles, {"g4dn.xlarge": T4}, heard=True, picked={}, **more)


def test_a_card_says_how_long_the_credit_lasts_and_the_form_the_balance():
    shown = form(wallet=wallet())
    assert "Balance: $12.34" in shown
    assert "about 9 h 40 min on this machine" in shown
    assert "약 9시간 40분" in shown


def test_a_card_has_the_price_that_the_student_pays():
    dear = {"g4dn.xlarge": {"per_hour": 1_000_000, "runs_for_seconds": 60}}
    assert "<strong>$1.00</strong>" in form(wallet=wallet(sizes=dear))
    assert "<strong>$0.526</strong>" in form(wallet=wallet(sizes={}))


def test_a_form_without_a_balance_says_that_it_is_not_known():
    assert wallets.NOT_KNOWN.text() in form(wallet=None)


def test_where_only_teachers_see_credit_a_student_sees_none():
    shown = form(wallet=wallet(shown=False))
    assert ("Balance" in shown, "on this machine" in shown) == (False, False)
    card = server_card(None, {}, True, wallet(shown=False), "c")
    assert (card.balance, card.cost) == ("", "")


def test_the_card_of_a_server_that_is_off_has_the_balance_and_what_it_cost():
    card = server_card(None, {}, True, wallet(), "c")
    assert "Balance: $12.34" in card.balance
    assert "cost $0.6312" in card.cost
    assert card.lasts == ""


def test_a_card_says_when_what_a_session_cost_is_still_to_come():
    shown = {claim: server_card(None, {}, True, wallet(), claim) for claim in ("on", "c", "new")}
    assert {claim: (card.unsettled, bool(card.cost)) for claim, card in shown.items()} == {
        "on": (True, False),
        "c": (False, True),
        "new": (False, False),
    }


def _running(credit_ends: int, idle_ends: int) -> ClaimView:
    """A machine that runs, and ends in so many minutes: of the credit, and for idleness."""
    return ClaimView(
        "c", Owner("7", "alice", ""), SMALL, Desired.RUNNING, 1, T0, True, stage=Stage.READY,
        credit=CreditView("USD", 1, T0 + timedelta(minutes=credit_ends)),
        session=SessionView(
            "idle", say("…"), T0 + timedelta(minutes=idle_ends), extensions_left=3
        ),
    )  # fmt: skip


@pytest.mark.parametrize(("credit_ends", "idle_ends", "keep"), [(60, 10, "c"), (10, 60, "")])
def test_keep_running_is_offered_where_it_helps_and_nowhere_else(credit_ends, idle_ends, keep):
    card = server_card(_running(credit_ends, idle_ends), {}, True, wallet(), "c")
    assert (card.stops_at, card.keep) == ((T0 + timedelta(minutes=10)).isoformat(), keep)


def test_the_card_without_a_balance_says_so():
    assert wallets.NOT_KNOWN.text() in server_card(None, {}, True, None, "c").balance


# -- how it is asked for


class Controller:
    def __init__(self, answer=SAID) -> None:
        self.asked: list[str] = []
        self.answer = answer

    async def ask(self, method: str, path: str):
        self.asked.append(f"{method} {path}")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_an_answer_is_shown_again_for_a_short_while():
    clock, controller = FakeClock(), Controller()
    known = Wallets(controller.ask, clock)
    for _ in range(3):
        assert await known.of("7", "al ice") == wallet()
    await known.of("8", "bob")
    assert controller.asked == [
        "GET credit?user_id=7&user_name=al+ice",
        "GET credit?user_id=8&user_name=bob",
    ]
    await clock.advance(KEPT_SECONDS + 1)
    await known.of("7", "al ice")
    assert len(controller.asked) == 3


@pytest.mark.parametrize("answer", [ControllerUnavailable("down"), {}, {"unit": 1}, {"sizes": []}])
async def test_a_controller_that_says_nothing_of_use_is_not_asked_at_once_again(answer):
    clock, controller = FakeClock(), Controller(answer)
    known = Wallets(controller.ask, clock)
    assert [await known.of("7", "alice") for _ in range(2)] == [None, None]
    assert len(controller.asked) == 1


async def test_a_controller_that_hangs_does_not_keep_the_page_waiting(monkeypatch):
    monkeypatch.setattr("gpuspawner.client_wallets.WAIT_SECONDS", 0.01)

    async def hangs(method: str, path: str):
        del method, path
        await asyncio.Event().wait()

    assert await Wallets(hangs, FakeClock()).of("7", "alice") is None
