"""The addresses of credit, below the REST prefix and below the service's own."""

from __future__ import annotations

from typing import Any

from gpuspawner.web.credit import api, live, pages, people_api, prices

PAGES: tuple[tuple[str, Any], ...] = (
    ("credit", pages.CreditPage),
    ("class", pages.ClassPage),
)

API: tuple[tuple[str, Any], ...] = (
    ("me", api.MeHandler),
    ("statement", api.StatementHandler),
    ("statement.csv", api.StatementCsvHandler),
    ("grants", api.GrantsHandler),
    ("holds", api.HoldsHandler),
    ("students", api.StudentsHandler),
    ("students.csv", api.StudentsCsvHandler),
    ("pool", api.PoolHandler),
    ("burn", api.BurnHandler),
    ("prices", prices.PricesHandler),
    ("prices/refresh", prices.PricesRefreshHandler),
    ("audit", api.AuditHandler),
    ("reversals", api.ReversalsHandler),
    ("fund", api.FundHandler),
    ("events", live.EventsHandler),
    ("credit", api.HubCreditHandler),
    ("person", people_api.PersonHandler),
)
