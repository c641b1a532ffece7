"""A client of Prometheus' query API, based on the standard library only."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen


@dataclass(frozen=True)
class Prometheus:
    """A Prometheus at an address such as `http://127.0.0.1:9090`."""

    address: str

    def get(self, path: str, **parameters: str) -> Any:
        """Return the result of a query."""
        url = f"{self.address}/api/v1/{path}?{urlencode(parameters)}"
        with urlopen(url, timeout=30) as response:  # noqa: S310 - of our own
            return json.load(response)["data"]

    def shows(self, expression: str) -> bool:
        """Return whether a query has a numeric result."""
        return any(sample["value"][1] != "NaN" for sample in self.get("query", query=expression)["result"])
