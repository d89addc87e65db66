"""The short texts of our pages, by the name that the templates use."""

from __future__ import annotations

from collections.abc import Mapping

from gpuspawner.language import Sentence, _, say

WORDS: Mapping[str, Sentence] = {
    "title": say(_("Machines and files")),
    "home": say(_("Home")),
    "skip": say(_("Skip to the content")),
    "tokens": say(_("Tokens")),
    "administration": say(_("Administration")),
    "logout": say(_("Log out")),
    "intro": say(
        _(
            "Each server has a machine of its own, and a disk with your files beside it. "
            "A stopped machine costs nothing for computing and keeps its settings; "
            "a deleted one is made anew at the next start. Your files stay in both cases."
        )
    ),
    "none": say(_("There is no machine yet. Start one from the home page.")),
    "who": say(_("Who")),
    "server": say(_("Server")),
    "default_server": say(_("default")),
    "machine": say(_("Machine")),
    "state": say(_("State")),
    "files": say(_("Files")),
    "action": say(_("Action")),
    "delete": say(_("Delete the machine")),
    "delete_confirm": say(
        _("Delete this machine for good? Your files stay; everything else on it is lost.")
    ),
    "deleting": say(_("Being deleted")),
    "no_files": say(_("No disk yet")),
    "kept": say(_("kept until an administrator deletes it")),
    "problems": say(_("What last went wrong")),
    "stops_at": say(_("Stops at")),
    "keep": say(_("Keep running")),
    "back": say(_("Back to the home page")),
    "error": say(_("This did not work")),
    "pending": say(_("Switching on")),
    "running": say(_("On")),
    "stopping": say(_("Switching off")),
    "stopped": say(_("Off")),
    "halted": say(_("Off, but still charged; being stopped")),
    "gone": say(_("No machine")),
}
