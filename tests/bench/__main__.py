"""Measures the operator against the requirements of a platform team, and prints a table for each backend.

For each N: N resources are applied at once to a real API server. `make bench` runs it.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from bench import endpoints, pods, scaling
from bench.bed import print_table

BACKENDS = {"sagemaker": endpoints.measure, "scaling": scaling.measure, "incluster": pods.measure}


def main() -> int:
    """Run the benchmark of each backend, for every N on a separate cluster."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", type=int, nargs="*", default=[100, 1000], metavar="N")
    parser.add_argument(
        "--backend", choices=BACKENDS, help="one only; scaling is SageMaker with autoscaling, and kubectl scale"
    )
    options = parser.parse_args()
    for name in [options.backend] if options.backend else BACKENDS:
        rows: list[Any] = []
        for number in options.numbers:
            print(f"\n{name}, {number} resources", flush=True)
            with tempfile.TemporaryDirectory() as workspace:
                rows.append(BACKENDS[name](number, Path(workspace)))
        print_table(rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
