"""What the paths of credit do, for the description of the REST interface."""

from __future__ import annotations

from gpuspawner.web.credit import bodies, replies
from gpuspawner.web.operations import Operation

_CSV = "text/csv"
_ONE = (200, 404)
_CHANGED = (201, 402, 404, 409)

CREDIT = (
    Operation("/me", "get", "One's own balance, and how long it lasts.", "person", reply=replies.Me),
    Operation("/statement", "get", "Every line of some days; the last 31 without any.", "person", None, _ONE, bodies.PeriodQuery, replies.Statement),
    Operation("/statement.csv", "get", "The same for a spreadsheet.", "person", None, _ONE, bodies.CsvPeriodQuery, media=_CSV),
    Operation("/grants", "get", "What a student was given, and what is left.", "person", None, _ONE, bodies.StudentQuery, replies.Grants),
    Operation("/grants", "post", "Give a student credit of the pool.", "person", bodies.GrantBody, _CHANGED, reply=replies.Made, keyed=True),
    Operation("/holds", "get", "What is set aside for a student's machines.", "person", None, _ONE, bodies.StudentQuery, replies.Holds),
    Operation("/students", "get", "Where the students stand whom one may see.", "person", reply=replies.Students),
    Operation("/students.csv", "get", "The same for a spreadsheet.", "person", query=bodies.CsvQuery, media=_CSV),
    Operation("/pool", "get", "The class's money.", "person", reply=replies.Pool),
    Operation("/burn", "get", "What an hour of everything that is on costs.", "person", reply=replies.Burn),
    Operation("/prices", "get", "What everything costs and is charged, who says so, and what was refused.", "person", reply=replies.Prices),
    Operation("/prices/refresh", "post", "Ask the cloud's price service now; for admins.", "person", reply=replies.PricesAsked),
    Operation("/audit", "get", "What people did with credit, the last first.", "person", None, _ONE, bodies.AuditQuery, replies.Audit),
    Operation("/reversals", "post", "Take a grant, a use or a payment back, once.", "person", bodies.ReversalBody, _CHANGED, reply=replies.Made, keyed=True),
    Operation("/fund", "post", "Bring money into the pool; for admins.", "person", bodies.FundBody, (201, 409), reply=replies.Made, keyed=True),
    Operation("/events", "get", "One's own balance as it changes; the pool as well for who teaches.", "person", media="text/event-stream"),
    Operation("/credit", "get", "What the hub's pages show of a user.", "hub", query=bodies.CreditQuery, reply=replies.HubCredit),
    Operation("/person", "get", "Everything that is known of a person.", "hub", None, _ONE, bodies.WhoQuery),
    Operation("/person", "delete", "Forget who a person is; every sum stays.", "hub", None, (200, 404, 409), bodies.WhoQuery),
)  # fmt: skip
