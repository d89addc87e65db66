"""What the kinds of entries and the things that cost are called."""

from __future__ import annotations

from collections.abc import Mapping

from gpuspawner.language import Sentence, _, say
from gpuspawner.store.allowance import COURSE_CREDIT, STUDENT_CREDIT

KINDS: Mapping[str, Sentence] = {
    "fund": say(_("Brought into the pool")),
    "grant": say(_("Grant")),
    "expiry": say(_("Expired")),
    "charge": say(_("Use")),
    "correction": say(_("Correction")),
    "transfer": say(_("Taken over by the class")),
    "reversal": say(_("Taken back")),
    "stop": say(_("Stopped everything")),
    "lift": say(_("Let machines start again")),
}

ROLES: Mapping[str, Sentence] = {
    "admin": say(_("Administrator")),
    "teacher": say(_("Teacher")),
    "controller": say(_("By itself")),
    "console": say(_("Command line")),
}
"""As what somebody acted whose name is not known, or who has none."""

NOTES: Mapping[str, Sentence] = {
    STUDENT_CREDIT: say(_("What everybody in this class is given")),
    COURSE_CREDIT: say(_("From the hub's configuration")),
}
"""What the controller notes itself; anything else somebody has written."""

COMPONENTS: Mapping[str, Sentence] = {
    "compute": say(_("Computing")),
    "disk": say(_("Machine's disk")),
    "home": say(_("Your files' disk")),
    "address": say(_("Public address")),
}
