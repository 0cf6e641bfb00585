"""Certificates and keys made with OpenSSL's command, for tests."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Literal

KeyForm = Literal["pkcs8", "pkcs1", "sec1"]


def make_certificate(folder: Path, days: float = 90, form: KeyForm = "sec1", name: str = "localhost") -> None:
    """Writes cert.pem and key.pem, self-signed; the certificate ends in so many days (negative: it has ended)."""
    algorithm = ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"] if form == "sec1" else ["RSA"]
    _openssl(folder, "genpkey", "-algorithm", *algorithm, "-out", "pkcs8.pem")
    traditional = {"pkcs8": [], "pkcs1": ["-traditional"], "sec1": ["-traditional"]}[form]
    _openssl(folder, "pkey", "-in", "pkcs8.pem", *traditional, "-out", "key.pem")
    _openssl(
        folder,
        "req",
        "-x509",
        "-new",
        "-key",
        "key.pem",
        "-subj",
        f"/CN={name}",
        "-days",
        str(days),
        "-out",
        "cert.pem",
    )


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
