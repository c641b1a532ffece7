"""The values that a spec takes from Secrets: their fingerprints, and their redaction in text that is reported."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from tgi_operator.redaction import redacted

_FINGERPRINT_LENGTH = 16


@dataclass(frozen=True)
class SecretValue:
    """The value of a key of a Secret. `place`, the Secret and the key, distinguishes it from an equal value.

    `former` are the values that the key had before, if this process knows them.
    """

    value: str = field(repr=False)
    place: str
    former: tuple[str, ...] = field(default=(), repr=False)

    @property
    def fingerprint(self) -> str:
        """A digest that changes with the value. It is slow to compute, so that only a few values can be guessed.

        It does not depend on the uid of the Secret, so recreating the Secret with the same value starts no rollout.
        """
        return _fingerprint(self.place, self.value)


@dataclass(frozen=True)
class SecretValues:
    """All values that a spec takes from Secrets: the Hub token, and the variables of `runtime.env` by name.

    `others` are values that earlier specs of the resource took, if this process knows them. A pod of an earlier spec
    can still have one. They are only redacted.
    """

    token: SecretValue | None = None
    env: Mapping[str, SecretValue] = field(default_factory=dict)
    others: tuple[str, ...] = field(default=(), repr=False, compare=False)

    @property
    def environment(self) -> dict[str, str]:
        """The values of the variables by name."""
        return {name: found.value for name, found in self.env.items()}

    def env_fingerprint(self, names: Collection[str]) -> str | None:
        """Return one fingerprint of these variables, or None if none of them is from a Secret.

        One for all takes the time of one, and nobody can guess the values one by one.
        """
        chosen = {name: self.env[name] for name in sorted(names) if name in self.env}
        if not chosen:
            return None
        places = {name: found.place for name, found in chosen.items()}
        return _fingerprint(json.dumps(places), json.dumps({name: found.value for name, found in chosen.items()}))


@lru_cache(maxsize=10_000)
def _fingerprint(salt: str, value: str) -> str:
    # After a start, this takes about 10 ms in the event loop for each token, and for all variables of a resource. The
    # cache holds as many as are in use.
    digest = hashlib.scrypt(value.encode(), salt=salt.encode(), n=2**12, r=8, p=1)
    return digest.hex()[:_FINGERPRINT_LENGTH]


def without_secrets(text: str, secrets: SecretValues | None) -> str:
    """Return `text` without these values, their former values, and everything that looks like a secret."""
    if secrets is None:
        return redacted(text)
    found = (*secrets.env.values(), *(() if secrets.token is None else (secrets.token,)))
    return redacted(text, [*secrets.others, *(each for known in found for each in (known.value, *known.former))])
