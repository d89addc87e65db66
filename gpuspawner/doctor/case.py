"""What the doctor has before it: the configuration, as far as it can be understood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from traitlets import TraitError
from traitlets.config import Config, Configurable
from traitlets.config.loader import LazyConfigValue

from gpuspawner import identity, settings
from gpuspawner.errors import ConfigurationError
from gpuspawner.identity import Identity
from gpuspawner.model import Specification
from gpuspawner.profiles import Profile, load
from gpuspawner.spawner_traits import SpawnerTraits

_Kind = TypeVar("_Kind", bound=Configurable)


@dataclass
class Case:
    """One configuration file. What is broken in it is left at its default, and looked at elsewhere.

    Args:
        students: how many there are, as told by the admin; None when not told.
        now: the time.
    """

    path: Path
    config: Config
    now: datetime
    students: int | None = None
    _bad: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def controller(self) -> settings.Controller:
        """`c.Controller`, less what is not of its type."""
        return self._sound(settings.Controller, self.section("Controller"))

    @cached_property
    def aws(self) -> settings.AWS:
        """`c.AWS`, less what is not of its type."""
        return self._sound(settings.AWS, self.section("AWS"))

    @cached_property
    def prices(self) -> settings.Prices:
        """`c.Prices`, less what is not of its type."""
        return self._sound(settings.Prices, self.section("Prices"))

    @cached_property
    def azure(self) -> settings.Azure:
        """`c.Azure`, less what is not of its type."""
        return self._sound(settings.Azure, self.section("Azure"))

    @property
    def cloud(self) -> settings.AWS | settings.Azure:
        """The settings of the cloud that the configuration names."""
        return self.azure if self.on_azure else self.aws

    @cached_property
    def agent(self) -> settings.Agent:
        """`c.Agent`, less what is not of its type."""
        return self._sound(settings.Agent, self.section("Agent"))

    @cached_property
    def credit(self) -> settings.Credit:
        """`c.Credit`, less what is not of its type."""
        return self._sound(settings.Credit, self.section("Credit"))

    @cached_property
    def idle(self) -> settings.Idle:
        """`c.Idle`, less what is not of its type."""
        return self._sound(settings.Idle, self.section("Idle"))

    @cached_property
    def session(self) -> settings.Session:
        """`c.Session`, less what is not of its type."""
        return self._sound(settings.Session, self.section("Session"))

    @cached_property
    def spawner(self) -> SpawnerTraits:
        """`c.GPUSpawner`, less what is not of its type; what it inherits from `c.Spawner` too."""
        given = {**self.section("Spawner"), **self.section("GPUSpawner")}
        return self._sound(SpawnerTraits, given)

    @cached_property
    def record(self) -> settings.ControllerRecord | None:
        """`c.Controller` as the controller uses it; None when it would refuse it."""
        try:
            return self.controller.record(self.path.resolve().parent)
        except ConfigurationError:
            return None

    @cached_property
    def aws_record(self) -> settings.AWSRecord | None:
        """`c.AWS` as the controller uses it; None when it would refuse it."""
        try:
            return self.aws.record()
        except ConfigurationError:
            return None

    @cached_property
    def azure_record(self) -> settings.AzureRecord | None:
        """`c.Azure` as the controller uses it; None when it would refuse it."""
        try:
            return self.azure.record()
        except ConfigurationError:
            return None

    @property
    def cloud_record(self) -> settings.AWSRecord | settings.AzureRecord | None:
        """The settings of the cloud as the controller uses them; None when it would refuse them."""
        return self.azure_record if self.on_azure else self.aws_record

    @property
    def on_azure(self) -> bool:
        """Whether the configuration is for Azure."""
        return self.controller.provider == "azure"

    @property
    def region(self) -> str:
        """Where the machines are, the best region first."""
        return next(iter(self.azure.subnets), "") if self.on_azure else self.aws.region

    @property
    def secret_file(self) -> Path:
        """Where the secret is."""
        return self.path.resolve().parent / self.controller.secret_file

    @cached_property
    def identity(self) -> Identity | None:
        """What derives from the secret; None when there is none yet, or none that is whole."""
        if not self.secret_file.is_file():
            return None
        with identity.only_looking():
            first, second = identity.load(self.secret_file), identity.load(self.secret_file)
        # What is not whole is made up anew at each look.
        return first if first == second else None

    @cached_property
    def profiles(self) -> tuple[Profile, ...] | None:
        """The machines to choose from; None when a function makes them, or they have a mistake."""
        entries = self.spawner.profile_list
        try:
            return None if callable(entries) else load(entries)
        except ConfigurationError:
            return None

    @cached_property
    def specifications(self) -> tuple[tuple[Profile, Specification], ...]:
        """Everything that a student could pick."""
        from gpuspawner.doctor.choices import every  # noqa: PLC0415 - made from a case

        return tuple((profile, one) for profile in self.profiles or () for one in every(profile))

    def section(self, name: str) -> Mapping[str, Any]:
        """What the file sets of one class."""
        return {key: value for key, value in self.config.get(name, {}).items() if key[:1] != "_"}

    def value(self, section: str, name: str, default: Any) -> Any:
        """One value of a class that is not ours; what was only added to begins with `default`."""
        value = self.section(section).get(name, default)
        return value.get_value(default) if isinstance(value, LazyConfigValue) else value

    def bad_values(self) -> dict[str, list[str]]:
        """The settings whose values are not of their type, by class."""
        for kind in (
            "controller",
            "aws",
            "azure",
            "prices",
            "agent",
            "credit",
            "idle",
            "session",
            "spawner",
        ):
            getattr(self, kind)
        return self._bad

    def _sound(self, kind: type[_Kind], given: Mapping[str, Any]) -> _Kind:
        """Each value on its own, so that one mistake hides no other."""
        good: dict[str, Any] = {}
        for name in kind.class_trait_names(config=True):
            if name not in given:
                continue
            try:
                kind(config=Config({kind.__name__: {name: given[name]}}))
            except TraitError:
                self._bad.setdefault(kind.__name__, []).append(name)
            else:
                good[name] = given[name]
        return kind(config=Config({kind.__name__: good}))
