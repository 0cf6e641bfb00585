"""TLS: the certificate and its key, read anew on request while connections go on, and watched for their end.

A new context is made for each reading; connections keep the one they began with. TLS 1.2 at least, ciphers as the
system's OpenSSL chooses them. The key may be PKCS#8, PKCS#1 or SEC1 in PEM: OpenSSL reads all three.
"""

from __future__ import annotations

import ssl
import time
from pathlib import Path

from thalweg_common.config import ConfigError, reason_of
from thalweg_common.web.certificate import certificate_end
from thalweg_common.web.config import StreamConfig, tls_endpoints

DAYS = 86_400
WARN_BEFORE = 14 * DAYS

_METHODS = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"OPTIONS ", b"DELETE ", b"CONNECT ")


class TlsFiles:
    """The context made from two files, and when the certificate ends."""

    def __init__(self, certificate: Path, key: Path) -> None:
        """Reads the files; ConfigError names the one that is wrong."""
        self._certificate = certificate
        self._key = key
        self.context, self.not_after = self._read()

    def reload(self) -> None:
        """Reads the files again; ConfigError leaves everything as it was."""
        self.context, self.not_after = self._read()

    def days_left(self) -> float:
        """Until the certificate ends; negative afterwards."""
        return (self.not_after - time.time()) / DAYS

    def ends_soon(self) -> bool:
        """Whether somebody should see to it."""
        return self.not_after - time.time() < WARN_BEFORE

    def _read(self) -> tuple[ssl.SSLContext, float]:
        not_after = _end_of(self._certificate)
        _check_key(self._key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self._certificate, self._key, password=_no_password)
        except OSError as error:
            raise ConfigError(
                f"network.tls_private_key_path: {self._key} does not fit {self._certificate}: {_said(error)}"
            ) from error
        return context, not_after


def tls_files(network: StreamConfig) -> TlsFiles | None:
    """The files of the configuration; None when TLS is off; ConfigError."""
    if not tls_endpoints(network):
        return None
    return TlsFiles(Path(network.tls_certificate_path), Path(network.tls_private_key_path))


def _end_of(path: Path) -> float:
    try:
        return certificate_end(_read_pem("network.tls_certificate_path", path))
    except ValueError as error:
        raise ConfigError(f"network.tls_certificate_path: {path}: expected a certificate, got {error}") from error


def plain_http_in(data: bytes) -> bool:
    """Whether the first bytes on a TLS port are a request in plain HTTP."""
    return data.startswith(_METHODS)


def _check_key(path: Path) -> None:
    if "PRIVATE KEY-----" not in _read_pem("network.tls_private_key_path", path):
        raise ConfigError(f"network.tls_private_key_path: {path}: expected a private key in PEM form")


def _read_pem(key: str, path: Path) -> str:
    try:
        return path.read_text("latin-1")
    except (OSError, ValueError) as error:
        raise ConfigError(f"{key}: cannot read {path}: {reason_of(error)}") from error


def _no_password() -> str:
    raise OSError("it has a password; remove it with: openssl pkey -in KEY -out NEW")


def _said(error: OSError) -> str:
    """OpenSSL's reason in words."""
    reason = getattr(error, "reason", None)
    return str(reason).lower().replace("_", " ") if reason else str(error)
