"""The log as text, for a terminal."""

import logging
from collections.abc import Iterator

import pytest

from tgi_operator.handlers import configure_logging


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """The root logger without handlers; afterwards, it is restored."""
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    logger.handlers[:] = []
    yield logger
    logger.handlers[:], logger.level = handlers, level


def test_a_line_has_the_whole_name_of_its_logger_and_the_resource(root: logging.Logger) -> None:
    configure_logging("text", debug=False)
    handler = root.handlers[-1]
    name = "tgi_operator.control.reconciler"
    record = logging.LogRecord(name, logging.INFO, __file__, 1, "%s: it serves", ("InService",), None)
    record.object = "ml/falcon-7b"
    assert handler.filter(record)
    assert handler.format(record).endswith(f"] [INFO    ] {name}: [ml/falcon-7b] InService: it serves")
