"""Metrics as the router exports them: a name exists from its first use on, so a fresh server exports nothing.

Names and buckets are those of router/src/server.rs and docs/source/reference/metrics.md, the format is Prometheus'
text format as metrics-exporter-prometheus writes it, without HELP lines.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_DURATION_BUCKETS: Final = tuple(0.0001 * 1.5 ** (step + 1) for step in range(35))
_BATCH_SIZE_BUCKETS: Final = tuple(float(size) for size in range(1, 1025))
_Labels = tuple[tuple[str, str], ...]


@dataclass
class _Histogram:
    bounds: Sequence[float]
    counts: list[int] = field(init=False)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value

    def samples(self, name: str, labels: _Labels) -> Iterator[str]:
        cumulative = 0
        for bound, count in zip([*map(str, self.bounds), "+Inf"], self.counts, strict=True):
            cumulative += count
            yield f"{name}_bucket{_label_set((*labels, ('le', bound)))} {cumulative}"
        yield f"{name}_sum{_label_set(labels)} {self.total}"
        yield f"{name}_count{_label_set(labels)} {cumulative}"


class Metrics:
    """The metrics of one server."""

    def __init__(self, max_input_tokens: int, max_total_tokens: int) -> None:
        self._counters: dict[str, dict[_Labels, int]] = {}
        self._gauges: dict[str, float] = {}
        self._histograms: dict[str, dict[_Labels, _Histogram]] = {}
        total = tuple(max_total_tokens / 100 * step for step in range(1, 101))
        self._buckets: Mapping[str, Sequence[float]] = {
            "tgi_request_input_length": tuple(max_input_tokens / 100 * step for step in range(1, 101)),
            "tgi_request_generated_tokens": total,
            "tgi_request_max_new_tokens": total,
            "tgi_batch_next_size": _BATCH_SIZE_BUCKETS,
        }

    def increment(self, name: str, **labels: str) -> None:
        """Add one to a counter."""
        series = self._counters.setdefault(name, {})
        key = tuple(labels.items())
        series[key] = series.get(key, 0) + 1

    def set(self, name: str, value: float) -> None:
        """Set a gauge."""
        self._gauges[name] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Add an observation to a histogram."""
        series = self._histograms.setdefault(name, {})
        key = tuple(labels.items())
        if key not in series:
            series[key] = _Histogram(self._buckets.get(name, _DURATION_BUCKETS))
        series[key].observe(value)

    def render(self) -> str:
        """Return everything in Prometheus' text format."""
        return "".join(f"{line}\n" for line in self._lines())

    def _lines(self) -> Iterator[str]:
        for name, counts in self._counters.items():
            yield f"# TYPE {name} counter"
            yield from (f"{name}{_label_set(labels)} {count}" for labels, count in counts.items())
            yield ""
        for name, value in self._gauges.items():
            yield f"# TYPE {name} gauge"
            yield f"{name} {value:g}"
            yield ""
        for name, histograms in self._histograms.items():
            yield f"# TYPE {name} histogram"
            for labels, histogram in histograms.items():
                yield from histogram.samples(name, labels)
            yield ""


def _label_set(labels: _Labels) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}" if labels else ""
