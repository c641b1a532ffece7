"""A file name has one meaning: only the folders that both backends have can share one."""

from collections import defaultdict
from pathlib import Path

import tgi_operator

PACKAGE = Path(tgi_operator.__file__).parent
BACKENDS = PACKAGE / "backends"


def test_no_file_name_has_two_meanings() -> None:
    places = defaultdict(set)
    for file in PACKAGE.rglob("*.py"):
        if file.name != "__init__.py":
            places[file.name].add(file.relative_to(PACKAGE))
    for name, found in places.items():
        if len(found) > 1:
            rooms = {place.relative_to("backends").parts for place in found if place.parts[0] == "backends"}
            assert {parts[0] for parts in rooms} == {"sagemaker", "incluster"}, f"{name}: {sorted(map(str, found))}"
            assert len({parts[1:] for parts in rooms}) == 1, f"{name} is in different rooms"
            assert len(found) == 2, f"{name}: {sorted(map(str, found))}"


def test_both_backends_have_the_same_rooms() -> None:
    rooms = {"backend.py", "observe.py", "refusals.py", "apply.py", "remedies.py", "desired", "seen", "decide"}
    for backend in ("sagemaker", "incluster"):
        assert rooms <= {place.name for place in (BACKENDS / backend).iterdir()}
