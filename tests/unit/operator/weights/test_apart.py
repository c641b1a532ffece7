"""The operator's process does not load the libraries that only the fetching of weights needs."""

import subprocess
import sys


def test_the_running_operator_never_imports_the_library_of_the_hub() -> None:
    program = "import sys, tgi_operator.cli.run; print('huggingface_hub' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
