"""What is sent and answered about students' own measurements, checked before anything looks at it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AwareDatetime, Field, model_validator

from gpuspawner.policy.comparison import LEAST, Measured, Middle
from gpuspawner.store.benchmarks import Told
from gpuspawner.web.credit.replies import Reply
from gpuspawner.web.schemas import Body

Word = Annotated[str, Field(pattern=r"^[a-z0-9_]{1,40}$")]
Device = Annotated[str, Field(pattern=r"^[A-Za-z0-9 ()@.,:/+_-]{1,160}$")]
"""Names of chips; nothing that means something in a page, a log or a spreadsheet's first column."""

Value = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]


class FigureBody(Body):
    """One measurement that came out well. Its unit follows from the measure."""

    measure: Word
    kind: Literal["gpu", "cpu"]
    device: Device
    value: Value


class BenchmarkBody(Body):
    """`POST claims/{name}/benchmark`: a summary of one result, never the whole of it."""

    backend: Word
    scale: Word
    started: AwareDatetime
    figures: Annotated[list[FigureBody], Field(min_length=1, max_length=50)]

    @model_validator(mode="after")
    def _makes_sense(self) -> BenchmarkBody:
        if not 1970 < self.started.year < 9000:
            raise ValueError("the moment is out of any reason")
        if len({what for what, _value in self.told().figures}) < len(self.figures):
            raise ValueError("the same measurement stands there twice")
        return self

    def told(self) -> Told:
        """As the rest of the program knows it."""
        figures = tuple(
            (Measured(one.measure, one.kind, one.device), one.value) for one in self.figures
        )
        return Told(self.backend, self.scale, self.started, figures)


class BenchmarksQuery(Body):
    """Of which runs the medians are asked for."""

    backend: Word
    scale: Word


class BenchmarkReply(Reply):
    """How many figures were taken down."""

    figures: int


class MedianReply(Reply):
    """The median of `count` students' newest figures."""

    measure: str
    kind: str
    device: str
    median: float
    count: int

    @classmethod
    def of(cls, one: Middle) -> MedianReply:
        """As it is sent."""
        what = one.what
        return cls(
            measure=what.measure, kind=what.kind, device=what.device, median=one.median,
            count=one.count,
        )  # fmt: skip


class MediansReply(Reply):
    """`GET benchmarks`. What fewer than `least` have measured is not in it."""

    self_reported: Literal[True] = True
    least: int = LEAST
    medians: list[MedianReply]
