"""`c.Controller`: the process that owns the database and the cloud credentials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from traitlets import Bool, Enum, Float, Integer, Unicode
from traitlets.config import Configurable

from gpuspawner.language import LANGUAGES, _, say
from gpuspawner.settings.mistakes import Mistake, refuse


@dataclass(frozen=True, slots=True)
class ControllerRecord:
    """`c.Controller` as the controller uses it. Lengths of time are `timedelta`."""

    provider: str
    bind_url: str
    public_url: str
    database_url: str
    secret_file: Path
    language: str
    fast_interval: timedelta
    slow_interval: timedelta
    capacity_memory: timedelta
    quota_memory: timedelta
    orphan_grace: timedelta
    save_timeout: timedelta
    roll_call_interval: timedelta
    roll_call_grace: timedelta
    max_home_gib: int
    max_disk_gib: int
    ca_file: str
    stop_with_parent: bool


class Controller(Configurable):
    """The process that owns the database and the cloud credentials."""

    provider = Enum(
        ["aws", "azure"],
        default_value="aws",
        help="The cloud that the machines run in: aws or azure. Default: aws. Its own settings are in `c.AWS` or "
        "`c.Azure`; those of the other are not read.",
    ).tag(config=True)

    bind_url = Unicode(
        "http://127.0.0.1:8010",
        help="Where the controller listens. Default: http://127.0.0.1:8010. The hub and the proxy must reach it; "
        "nobody else needs to, so keep it on a private address.",
    ).tag(config=True)

    public_url = Unicode(
        "",
        help="The hub's URL as the machines reach it, such as https://hub.example.org/. No default: a machine that "
        "cannot reach it never becomes ready and switches itself off.",
    ).tag(config=True)

    database_url = Unicode(
        "sqlite:///gpuspawner.sqlite",
        help="SQLAlchemy URL of the controller's own database. Default: an SQLite file beside the "
        "configuration file. Use postgresql+psycopg://… when a second controller should stand by on another host.",
    ).tag(config=True)

    secret_file = Unicode(
        "gpuspawner_secret",
        help="The file with the hub's one secret, mode 0600, made when it is missing. Default: gpuspawner_secret "
        "beside the configuration file. Back it up: with it the machines are found again after the "
        "database is lost, without it they are another hub's.",
    ).tag(config=True)

    language = Enum(
        list(LANGUAGES),
        default_value="en",
        help="The language of people who have not chosen one and whose browser asks for neither: en or ko. Default: en.",
    ).tag(config=True)

    fast_interval = Float(
        3.0,
        help="Seconds between two listings of the cloud while something moves. Default: 3. Smaller makes the progress "
        "page livelier and a start a little faster, at the price of more requests (two for each listing, "
        "however many students wait). What happens is looked at within a second; in no minute are there more "
        "listings than one each so many seconds, so in a long rush they are two thirds farther apart.",
    ).tag(config=True)

    slow_interval = Float(
        60.0,
        help="Seconds between two listings while nothing moves. Default: 60. Larger saves requests; a machine switched "
        "off from inside, or one that belongs to nobody, is noticed that much later.",
    ).tag(config=True)

    capacity_memory = Float(
        180.0,
        help="Seconds for which a zone's refusal for lack of machines is remembered. Default: 180, as Karpenter does. "
        "Smaller tries a full zone again sooner, larger spares the next student a wait.",
    ).tag(config=True)

    quota_memory = Float(
        900.0,
        help="Seconds for which a refusal for the account's quota is remembered, for the size in the whole region. "
        "Default: 900. It ends by itself; smaller notices a raised quota sooner.",
    ).tag(config=True)

    orphan_grace = Float(
        180.0,
        help="Seconds that a machine with this hub's tag may have no claim before it is adopted or stopped. "
        "Default: 180. Smaller stops a leak sooner, but must stay above the cloud's listing lag.",
    ).tag(config=True)

    save_timeout = Float(
        60.0,
        help="Seconds that a machine in use is given to save before it is stopped. Default: 60. Longer saves more "
        "slow notebooks and costs that much more when a machine hangs.",
    ).tag(config=True)

    roll_call_interval = Float(
        60.0,
        help="Seconds between two questions to the hub which servers it has. Default: 60. A session that the hub knows "
        "nothing of, because its database was lost or restored, can be reached by nobody and is ended; smaller "
        "notices it sooner, at the price of more requests to the hub.",
    ).tag(config=True)

    roll_call_grace = Float(
        180.0,
        help="Seconds for which the hub must not know a running server, in three answers at least, before its session "
        "is saved and stopped. Default: 180. Smaller saves money after the hub's database was lost, larger leaves "
        "more time to put a backup in its place.",
    ).tag(config=True)

    max_home_gib = Integer(
        200,
        help="The largest home volume in GiB that a profile may ask for. Default: 200. It is billed also while the "
        "machine is stopped, so it guards against a mistyped profile.",
    ).tag(config=True)

    max_disk_gib = Integer(
        200,
        help="The largest system disk in GiB that a profile may ask for. Default: 200. It is billed also while the "
        "machine is stopped, so it guards against a mistyped profile.",
    ).tag(config=True)

    ca_file = Unicode(
        "",
        help="A PEM file with the certificate authority of the hub's URL, for a hub whose certificate is not publicly "
        "signed. Default: empty, the machine image's own list. It travels in the user data.",
    ).tag(config=True)

    stop_with_parent = Bool(
        True,
        help="End when the hub that started this controller is gone, so that a killed hub leaves none behind. "
        "Default: True. It has no effect on a controller that was started on its own.",
    ).tag(config=True)

    def record(self, beside: Path = Path()) -> ControllerRecord:
        """The settings, checked. Relative paths are relative to `beside`.

        Raises:
            ConfigurationError: a setting is missing, impossible or contradicts another; it is named.
        """
        refuse(self.mistakes())
        return ControllerRecord(
            provider=self.provider,
            bind_url=self.bind_url,
            public_url=self.public_url.rstrip("/") + "/",
            database_url=_beside(self.database_url, beside),
            secret_file=beside / self.secret_file,
            language=self.language,
            fast_interval=timedelta(seconds=self.fast_interval),
            slow_interval=timedelta(seconds=self.slow_interval),
            capacity_memory=timedelta(seconds=self.capacity_memory),
            quota_memory=timedelta(seconds=self.quota_memory),
            orphan_grace=timedelta(seconds=self.orphan_grace),
            save_timeout=timedelta(seconds=self.save_timeout),
            roll_call_interval=timedelta(seconds=self.roll_call_interval),
            roll_call_grace=timedelta(seconds=self.roll_call_grace),
            max_home_gib=self.max_home_gib,
            max_disk_gib=self.max_disk_gib,
            ca_file=self.ca_file,
            stop_with_parent=self.stop_with_parent,
        )

    def mistakes(self) -> list[Mistake]:
        """What is impossible or contradicts something else, each by name."""
        found = []
        if urlsplit(self.public_url).scheme not in ("http", "https"):
            message = _(
                "c.Controller.public_url must be the hub's URL as the machines reach it, "
                "such as https://hub.example.org/; it is “{value}”"
            )
            found.append(
                Mistake("c.Controller.public_url", say(message, value=str(self.public_url)))
            )
        found += [
            _mistake(name, _("{setting} must be more than 0 seconds"))
            for name in _INTERVALS
            if not getattr(self, name) > 0
        ]
        if self.save_timeout < 0:
            found.append(_mistake("save_timeout", _("{setting} must not be negative")))
        if self.fast_interval > self.slow_interval:
            message = _(
                "c.Controller.fast_interval ({fast} s) is longer than "
                "c.Controller.slow_interval ({slow} s)"
            )
            fast, slow = f"{self.fast_interval:g}", f"{self.slow_interval:g}"
            found.append(Mistake("c.Controller.fast_interval", say(message, fast=fast, slow=slow)))
        found += [
            _mistake(name, _("{setting} must be at least 1 GiB"))
            for name in ("max_home_gib", "max_disk_gib")
            if getattr(self, name) < 1
        ]
        return found


_INTERVALS = (
    "fast_interval",
    "slow_interval",
    "capacity_memory",
    "quota_memory",
    "orphan_grace",
    "roll_call_interval",
    "roll_call_grace",
)


def _mistake(name: str, message: str) -> Mistake:
    setting = f"c.Controller.{name}"
    return Mistake(setting, say(message, setting=setting))


def _beside(database_url: str, folder: Path) -> str:
    """A relative SQLite file is beside the configuration, wherever the process was started."""
    prefix = "sqlite:///"
    path = database_url.removeprefix(prefix)
    if path == database_url or path.startswith(("/", ":memory:")):
        return database_url
    return f"{prefix}{(folder / path).resolve()}"
