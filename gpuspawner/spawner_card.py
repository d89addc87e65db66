"""What the hub's own pages show of a server: from memory, for `home.html` and `not_running.html`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from gpuspawner import wallets
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Desired, Stage
from gpuspawner.views import ClaimView, Notice, SizeCard, nearest
from gpuspawner.wallets import Wallet

_STATES = {
    "unknown": say(_("Not known yet")),
    "off": say(_("Off – nothing is charged for computing")),
    "starting": say(_("Starting")),
    "running": say(_("Running")),
    "stopping": say(_("Stopping")),
}


_EMPTY = Markup()
_ON = frozenset({"starting", "running"})


@dataclass(frozen=True, slots=True)
class ServerCard:
    """One server for a page. `state` is a key for the style, the rest is ready to be shown.

    `stops_at` is a moment for the browser, `doing` why it goes on or ends, and `keep` the claim whose
    session a click gives more time, "" when there is none left. `unsettled` is a machine that is off
    and whose last seconds are not in the books yet: what it cost is known in a moment.
    """

    state: str
    label: Markup
    machine: str = ""
    price: str = ""
    because: Markup = _EMPTY
    balance: Markup = _EMPTY
    lasts: Markup = _EMPTY
    cost: Markup = _EMPTY
    warning: Markup = _EMPTY
    stops_at: str = ""
    doing: Markup = _EMPTY
    keep: str = ""
    unsettled: bool = False


def server_card(
    view: ClaimView | None,
    sizes: Mapping[str, SizeCard],
    known: bool,
    wallet: Wallet | None = None,
    claim: str = "",
) -> ServerCard:
    """The card for `view`; `known` is whether the controller has been heard and sees the cloud.

    `wallet` is the user's credit, None when it is not known: then the card says so.
    """
    state = _state(view, known)
    label = show(_STATES[state])
    money = _money(wallet, claim, state)
    if view is None:
        return ServerCard(state, label, **money)
    notice = nearest(view.credit, view.session) if state in _ON else Notice()
    session = view.session if state in _ON else None
    card = sizes.get(view.size or view.specification.sizes[0])
    return ServerCard(
        state,
        label,
        view.specification.display_name,
        price_text(card.price_micros, card.currency) if card else "",
        show(view.because) if view.because and state in {"off", "stopping"} else _EMPTY,
        **money,
        warning=show(notice.sentence) if notice.sentence else _EMPTY,
        stops_at=notice.deadline.isoformat() if notice.deadline else "",
        doing=show(session.because) if session and not session.sentence else _EMPTY,
        # A click does nothing against another end: that of the credit, say.
        keep=view.name
        if session
        and session.deadline
        and session.deadline == notice.deadline
        and session.extensions_left
        else "",
    )


def _money(wallet: Wallet | None, claim: str, state: str) -> dict[str, Any]:
    if wallet is None:
        return {"balance": show(wallets.NOT_KNOWN)}
    if not wallet.shown:
        return {}
    left = wallets.lasts(wallet.runs_for_seconds) if state in _ON else None
    cost = wallets.cost(wallet, claim) if state in {"off", "stopping"} else None
    last = wallet.sessions.get(claim)
    return {
        "balance": show(wallets.balance(wallet)),
        "lasts": show(left) if left else _EMPTY,
        "cost": show(cost) if cost else _EMPTY,
        "unsettled": state == "off" and last is not None and not last.over,
    }


def _state(view: ClaimView | None, known: bool) -> str:
    if not known:
        return "unknown"
    if view is None:
        return "off"
    if view.desired is Desired.RUNNING:
        return "running" if view.stage is Stage.READY else "starting"
    return "stopping" if view.billed else "off"


def show(sentence: Sentence) -> Markup:
    """The sentence for a template, in all languages; `Sentence.html` has escaped it."""
    return Markup(sentence.html())  # noqa: S704


def price_text(micros: int, currency: str) -> str:
    """An hourly price for people, such as `$0.526`; `micros` are millionths of `currency`."""
    amount = f"{micros / 1_000_000:,.3f}".removesuffix("0")
    return f"${amount}" if currency == "USD" else f"{amount} {currency}"
