"""Keys and credentials of programs and users: the service account key, the admin's token, the kubeconfig."""

import base64
import json
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
        file.write(text)


def write_service_account_key(path: Path) -> None:
    """Write a new private key that signs and verifies service account tokens."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_private(path, key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode())


def write_token_file(path: Path, token: str) -> None:
    """Write the API server's static token file, which contains one administrator."""
    write_private(path, f'{token},admin,admin,"system:masters"\n')


def write_kubeconfig(
    path: Path, server: str, certificate_authority: str, token: str, name: str = "tgi-sandbox"
) -> None:
    """Write a kubeconfig with one cluster, one user and one context, all of the same name."""
    encoded = base64.b64encode(certificate_authority.encode()).decode()
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": {"server": server, "certificate-authority-data": encoded}}],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, "namespace": "default"}}],
    }
    write_private(path, json.dumps(config, indent=2) + "\n")
