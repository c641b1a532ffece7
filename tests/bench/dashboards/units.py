"""Values as Grafana writes them, in the units that the dashboards use. Pure."""

from collections.abc import Callable, Mapping


def number(value: float) -> str:
    """Return a number with three digits that count."""
    if abs(value) >= 1000:
        return f"{number(value / 1000)} K"
    return f"{value:.3g}"


def _seconds(value: float) -> str:
    if value == 0:
        return "0 s"
    if abs(value) < 1:
        return f"{value * 1000:.3g} ms" if abs(value) >= 0.001 else f"{value * 1e6:.3g} µs"
    if abs(value) < 60:
        return f"{value:.3g} s"
    return f"{value / 60:.3g} min" if abs(value) < 3600 else f"{value / 3600:.3g} hour"


def _suffixed(suffix: str) -> Callable[[float], str]:
    return lambda value: f"{number(value)} {suffix}"


_UNITS: Mapping[str, Callable[[float], str]] = {
    "none": number,
    "percentunit": lambda value: f"{value * 100:.3g}%",
    "s": _seconds,
    "reqps": _suffixed("req/s"),
    "ops": _suffixed("ops/s"),
    "wps": _suffixed("wr/s"),
}


def writer(unit: str) -> Callable[[float], str]:
    """Return what writes values in a unit of a dashboard; raises KeyError for a unit that is not known."""
    name, _, suffix = unit.partition(":")
    return _suffixed(suffix) if name == "suffix" else _UNITS[unit]
