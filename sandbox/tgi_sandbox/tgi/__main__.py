"""`python -m tgi_sandbox.tgi`: the plain launcher, configured by its environment variables and `--port`."""

from __future__ import annotations

import os
import sys

from tgi_sandbox.tgi.process import run

if __name__ == "__main__":
    sys.exit(run(os.environ, None))
