"""How far long work is: one callable that is handed down and split among the parts of the work.

``Pace`` turns what is reported into the time that is left.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from wafer_core.messages import Message

Report = Callable[[float, Message | None], None]


@dataclass(frozen=True)
class Progress:
    """Called with the share that is done; a part of it covers a part of the whole.

        read, train, test = progress.split(0.05, 0.90, 0.05)
        load(files, on_progress=read.named(message("Reading wafers")))
        fit(data, on_progress=train)

    Attributes:
        report: Called with the share of the whole, 0 to 1, and a text if there is one. It may
            raise ``Cancelled``, so it is called between batches.
        begin: Where this part begins, 0 to 1.
        length: How much of the whole it covers.
        text: What is being done.
    """

    report: Report
    begin: float = 0.0
    length: float = 1.0
    text: Message | None = None

    def __call__(self, fraction: float, text: Message | None = None) -> None:
        """Report the share of this part that is done, 0 to 1."""
        self.report(self.begin + self.length * min(1.0, max(0.0, fraction)), text or self.text)

    def part(self, begin: float, end: float, text: Message | None = None) -> Progress:
        """The part between two shares of this one."""
        return Progress(
            self.report,
            self.begin + self.length * begin,
            self.length * (end - begin),
            text or self.text,
        )

    def split(self, *shares: float) -> list[Progress]:
        """Consecutive parts whose sizes are in the ratio of ``shares``."""
        total = sum(shares) or 1.0
        ends = [sum(shares[: k + 1]) / total for k in range(len(shares))]
        return [self.part(low, high) for low, high in zip([0.0, *ends], ends, strict=False)]

    def each(self, weights: Sequence[float] | int) -> list[Progress]:
        """Parts for items: as many of equal size, or in the ratio of their weights."""
        return self.split(*([1.0] * weights if isinstance(weights, int) else weights))

    def named(self, text: Message) -> Progress:
        """The same with another text."""
        return Progress(self.report, self.begin, self.length, text)


def ignore(fraction: float, text: Message | None = None) -> None:
    """Report nothing."""


SILENT = Progress(ignore)


_MAX_POINTS = 400  # every second point is dropped beyond, so that a long job needs no memory


@dataclass
class Pace:
    """Estimates the time left from the most recent stretch of the work.

    The parts of a job differ in speed, and the sizes given to ``Progress.split`` are guesses. So
    the estimate takes the pace of the last stretch only: half of what is done, or as much as is
    left where that is less. Near the end it follows the last part within moments.

    Attributes:
        points: (seconds on any clock, share done), from the beginning of the work.
    """

    points: list[tuple[float, float]] = field(default_factory=list)

    def add(self, seconds: float, share: float) -> None:
        """Record that ``share`` (0 to 1) was done at ``seconds``; the first call is the start."""
        while self.points and self.points[-1][1] >= share:
            if self.points[-1][1] == share:
                return
            self.points.pop()  # the work began anew
        self.points.append((seconds, share))
        if len(self.points) > _MAX_POINTS:
            del self.points[1:-1:2]

    def seconds_left(self, now: float) -> float | None:
        """Seconds until the end, 0 or more; ``None`` where nothing is done yet.

        Args:
            now: On the clock of ``add``; the time since the last report counts down.
        """
        if len(self.points) < 2:
            return None
        last, done = self.points[-1]
        stretch = min(1.0 - done, done / 2)
        if stretch <= 0.0:
            return 0.0
        took = last - self._time_of(done - stretch)
        return max(0.0, took * (1.0 - done) / stretch - (now - last))

    def _time_of(self, share: float) -> float:
        """When ``share`` was done, interpolated between the reports."""
        for (begin, low), (end, high) in zip(self.points[-2::-1], self.points[::-1], strict=False):
            if low <= share:
                return begin + (end - begin) * (share - low) / (high - low)
        return self.points[0][0]
