"""`python -m tgi_sandbox.prose`: check the English of the files that scope.yaml lists."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tgi_sandbox.prose import check, scope


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings in the files of scope.yaml, and return 1 if there are errors."""
    parser = argparse.ArgumentParser(prog="python -m tgi_sandbox.prose", description=__doc__)
    parser.add_argument("--sentences", action="store_true", help="list long sentences too")
    options = parser.parse_args(arguments)
    root = Path.cwd()
    sources = [source for part in scope.parts() for source in part.sources(root)]
    findings = check.findings(root, sources)
    errors = [finding for finding in findings if finding.severity == check.ERROR]
    for finding in findings if options.sentences else errors:
        print(finding)
    if errors:
        noun = "finding" if len(errors) == 1 else "findings"
        print(f"{len(errors)} {noun} in {len(sources)} files. The rules are in {check.STYLES}.", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
