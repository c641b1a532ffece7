"""The settings from flags and environment variables, or the errors in them."""

import os

from pydantic import ValidationError

from tgi_operator.schema.wording import in_words
from tgi_operator.settings import PREFIX, Settings


class InvalidSettingsError(ValueError):
    """Refused settings. The text has a line for each."""


def given_settings(flags: dict[str, str]) -> Settings:
    """Return the settings from `flags` (by field name), which override the environment variables of the process.

    Raises InvalidSettingsError.
    """
    try:
        return Settings.read(flags, dict(os.environ))
    except ValidationError as error:
        lines = []
        for problem in error.errors():
            name = str(problem["loc"][0])
            flag = f"--{name.replace('_', '-')} ({PREFIX}{name.upper()})"
            lines.append(f"tgi-operator: {flag} is {problem['input']!r}: {in_words(problem)}")
        raise InvalidSettingsError("\n".join(lines)) from None
