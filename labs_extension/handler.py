"""What every address of ours has in common: who may ask, what counts as activity, how it answers."""

from __future__ import annotations

import json
from typing import Any

from jupyter_server.base.handlers import APIHandler

_ESCAPED = {ord("<"): "\\u003c", ord(">"): "\\u003e", ord("&"): "\\u0026"}


class LabsHandler(APIHandler):
    """A handler below `gpuspawner/api`.

    A page that polls must not keep a machine alive that costs money, so no request counts as
    activity, unless it is an act of a person and says so.
    """

    auth_resource = "gpuspawner"
    _track_activity = False

    def answer(self, data: Any, status: int = 200) -> None:
        """Send `data` as JSON that stays harmless where somebody puts it into a page."""
        self.set_status(status)
        self.set_header("Cache-Control", "no-store")
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
        # In JSON these stand in strings only, so escaping them does not change what it means.
        self.finish(text.translate(_ESCAPED))

    def act_of_a_person(self) -> None:
        """Let this request count as activity."""
        self._track_activity = True
