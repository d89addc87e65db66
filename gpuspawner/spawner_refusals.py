"""How a refusal reaches a student through JupyterHub.

`SpawnException` keeps the hub alive (it is not counted as a failure of the hub) and labels the
metric with a reason from a fixed set. The pages and the event stream of the hub read its two
`jupyterhub_…` attributes only, so both are set, always.
"""

from __future__ import annotations

from jupyterhub.spawner import SpawnException

from gpuspawner.errors import ControllerUnavailable, GpuspawnerError
from gpuspawner.language import Sentence, _, say
from gpuspawner.model import Reason
from gpuspawner.views import ClaimView

_STATUS = {
    Reason.OPTIONS: 400,
    Reason.HOME_OWNER: 403,
    Reason.UNAVAILABLE: 503,
}

TOO_LONG = say(
    _(
        "The machine did not come up in time and is being stopped. Start it again; your files are safe."
    )
)
ENDED = say(_("The machine was stopped before it was ready. Start it again; your files are safe."))
NO_RENAME = say(
    _(
        "A server with a machine of its own cannot be renamed, since its files belong to its name. "
        "Make a new one instead."
    )
)


def refusal(public: Sentence, reason: Reason, language: str, *, detail: str = "") -> SpawnException:
    """The exception that refuses a start with `public`; `detail` is for the log alone."""
    text, html = public.text(language), public.html()
    exception = SpawnException(
        text,
        reason=reason.value,
        log_message=f"{text} [{detail}]" if detail else text,
        message_html=html,
        status_code=_STATUS.get(reason, 409),
    )
    exception.jupyterhub_message = text
    exception.jupyterhub_html_message = html
    return exception


def refused(error: GpuspawnerError, language: str) -> SpawnException:
    """The refusal for an error of ours."""
    return refusal(error.public, error.reason, language, detail=error.detail)


def ended(view: ClaimView, language: str) -> SpawnException:
    """The refusal for a wish that has ended before its server was up."""
    return refusal(view.because or ENDED, view.reason or Reason.UNAVAILABLE, language)


def unreachable(detail: str) -> ControllerUnavailable:
    """What a stop ends with when nobody could be told of it: the hub logs it."""
    return ControllerUnavailable(
        f"{detail}: the controller could not be told to stop; asking goes on in the background"
    )
