"""Machine-readable output."""

import json
import sys
from typing import Any


def write(value: Any, form: str) -> None:
    """Print a value as `json` or `yaml`."""
    if form == "json":
        sys.stdout.write(f"{json.dumps(value, indent=2)}\n")
        return
    import yaml

    yaml.safe_dump(value, sys.stdout, sort_keys=False)
