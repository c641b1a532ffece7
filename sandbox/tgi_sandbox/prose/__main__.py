"""`python -m tgi_sandbox.prose`: check the English of the files that scope.yaml lists."""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tgi_sandbox.prose import check, scope


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the findings in the covered files, and return 1 if there are errors."""
    parser = argparse.ArgumentParser(prog="python -m tgi_sandbox.prose", description=__doc__)
    parser.add_argument("--outside", action="store_true", help="count the findings in the files that are not covered")
    parser.add_argument("--sentences", action="store_true", help="list long sentences too")
    options = parser.parse_args(arguments)
    root = Path.cwd()
    if options.outside:
        return _outside(root)
    parts = scope.covered()
    sources = [source for part in parts for source in part.sources(root)]
    findings = check.findings(root, sources)
    errors = [finding for finding in findings if finding.severity == check.ERROR]
    for finding in findings if options.sentences else errors:
        print(finding)
    if errors:
        print(f"{len(errors)} findings in {len(sources)} files. The rules are in {check.STYLES}.", file=sys.stderr)
    return 1 if errors else 0


def _outside(root: Path) -> int:
    for part in scope.outside():
        sources = part.sources(root)
        found = Counter(finding.severity for finding in check.findings(root, sources))
        print(f"{part.name:<32} {len(sources):>4} files {found[check.ERROR]:>5} findings")
    return 0


if __name__ == "__main__":
    sys.exit(main())
