"""Times as Kubernetes writes them: RFC 3339, UTC."""

from datetime import UTC, datetime


def rfc3339(time: datetime) -> str:
    """Return `time` to the second, such as 2026-01-31T12:00:00Z."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_exact(time: datetime) -> str:
    """Return `time` to the millisecond, because the times of AWS differ by milliseconds between changes."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse(text: str) -> datetime:
    """Return the time that `text` represents."""
    return datetime.fromisoformat(text)
