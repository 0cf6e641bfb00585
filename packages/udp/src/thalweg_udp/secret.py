"""The secret that keys connection ids: random, or shared through a file or the environment."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from thalweg_common.config import ConfigError, reason_of
from thalweg_common.log import Log

from thalweg_udp.config import ProtocolConfig

MIN_SIZE = 32
KEY_SIZE = 16
MAX_SIZE = 4096


def connection_secret(protocol: ProtocolConfig, log: Log) -> bytes:
    """The 16 bytes that key connection ids; ConfigError when what is configured is missing, short or doubled."""
    if protocol.connection_secret and protocol.connection_secret_file:
        raise ConfigError("protocol.connection_secret: expected either it or protocol.connection_secret_file, got both")
    if protocol.connection_secret_file:
        return _condensed(_from_file(Path(protocol.connection_secret_file), log), "protocol.connection_secret_file")
    if protocol.connection_secret:
        return _condensed(protocol.connection_secret.encode(), "protocol.connection_secret")
    return os.urandom(KEY_SIZE)


def _from_file(path: Path, log: Log) -> bytes:
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & stat.S_IROTH:
                log.warn("every user of this host can read the connection secret", file=path)
            return file.read(MAX_SIZE).strip(b"\r\n")
    except OSError as error:
        raise ConfigError(f"protocol.connection_secret_file: cannot read {path}: {reason_of(error)}") from error


def _condensed(secret: bytes, key: str) -> bytes:
    """Exactly 16 bytes that depend on all of it."""
    if len(secret) < MIN_SIZE:
        raise ConfigError(f"{key}: expected at least {MIN_SIZE} bytes, got {len(secret)}")
    import hashlib  # brings OpenSSL, some megabytes: only for those who configure a secret

    return hashlib.blake2b(secret, digest_size=KEY_SIZE, person=b"connection id").digest()
