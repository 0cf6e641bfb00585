"""Certificates and keys made with OpenSSL's command, for tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

KeyForm = Literal["pkcs8", "pkcs1", "sec1"]

_AUTHORITY = """\
[ca]
default_ca = here
[here]
database = index.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
copy_extensions = copy
policy = any
[any]
commonName = supplied
"""


def make_certificate(folder: Path, days: float = 90, form: KeyForm = "sec1", name: str = "localhost") -> None:
    """Writes cert.pem and key.pem, self-signed, for this name and for loopback addresses, valid for so many days."""
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
        "-addext",
        f"subjectAltName=DNS:{name},IP:127.0.0.1,IP:::1",
        "-days",
        str(days),
        "-out",
        "cert.pem",
    )


def make_authority(folder: Path) -> None:
    """Writes authority.pem and authority-key.pem: somebody who may sign certificates."""
    _make_signed(folder, "authority", "-subj", "/CN=An authority for tests")


def make_signed_certificate(folder: Path, addresses: Iterable[str]) -> None:
    """Writes tracker.pem, tracker-key.pem and both in tracker-both.pem: for these IP addresses, signed by the
    authority in that folder."""
    names = ",".join(f"IP:{address}" for address in addresses)
    authority = ["-CA", "authority.pem", "-CAkey", "authority-key.pem"]
    extensions = ["-addext", f"subjectAltName={names}", "-addext", "basicConstraints=critical,CA:FALSE"]
    _make_signed(folder, "tracker", *authority, "-subj", "/CN=A tracker", *extensions)
    both = [(folder / name).read_text() for name in ("tracker.pem", "tracker-key.pem")]
    (folder / "tracker-both.pem").write_text("".join(both))


def _make_signed(folder: Path, name: str, *arguments: str) -> None:
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", f"{name}-key.pem"]
    _openssl(folder, "req", "-x509", *key, *arguments, "-out", f"{name}.pem")


def expire(folder: Path) -> None:
    """Puts a certificate that ended long ago, for the same key and name, in the place of make_certificate's."""
    (folder / "index.txt").touch()
    (folder / "authority.cnf").write_text(_AUTHORITY)
    files = ["-in", "cert.pem", "-out", "request.pem"]
    _openssl(folder, "x509", "-x509toreq", "-copy_extensions", "copy", "-key", "key.pem", *files)
    times = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]
    files = ["-keyfile", "key.pem", "-in", "request.pem", "-out", "cert.pem"]
    _openssl(folder, "ca", "-config", "authority.cnf", "-batch", "-selfsign", "-notext", *times, *files)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
