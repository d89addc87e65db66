"""What a student is told when the course did not come, or not all of it."""

from __future__ import annotations

from labs_extension.language import _, say

PROBLEMS = {
    "network": _(
        "The course's repository cannot be reached, so there may be a newer version. What is here works. It is tried again at the next start."
    ),
    "setting": _(
        "The course's settings are wrong, so nothing new came from its repository. Tell your teacher."
    ),
    "missing": _(
        "The version of the course that is set does not exist in its repository. Tell your teacher."
    ),
    "large": _("The course is too large to be delivered. Tell your teacher."),
    "git": _(
        "This machine has no git, so nothing came from the course's repository. Tell your teacher."
    ),
    "link": _(
        "The course's folder is a link or a file, so nothing was delivered into it. Rename it, and start your server again to get the course."
    ),
    "full": _(
        "Your home is full, so not all of the course came. Delete what you do not need, and start your server again."
    ),
    "slow": _("Delivering the course took too long. The rest comes at the next start."),
    "files": _(
        "Some files of the course could not be written. Look at the folder's permissions, and start your server again."
    ),
}


def problem(kind: str | None) -> dict[str, str] | None:
    """The sentence, None when all went well."""
    return None if kind is None else say(PROBLEMS[kind])
