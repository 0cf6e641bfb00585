"""When a certificate ends (RFC 5280, 4.1): the standard library shows that for peers only, so its DER is walked here.

Certificate ::= SEQUENCE { tbsCertificate SEQUENCE { [0] version OPTIONAL, serialNumber, signature, issuer,
                           validity SEQUENCE { notBefore Time, notAfter Time }, … }, … }
"""

from __future__ import annotations

import re
import ssl
from datetime import UTC, datetime

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0xA0, 0x17, 0x18
_BEFORE_VALIDITY = 3  # serialNumber, signature, issuer


def certificate_end(text: str) -> float:
    """When the first certificate in a PEM text ends, in Unix time; ValueError when there is none or it is broken."""
    match = _PEM.search(text)
    if match is None:
        raise ValueError("no certificate in PEM form")
    der = ssl.PEM_cert_to_DER_cert(match[0])
    try:
        return _not_after(der).timestamp()
    except IndexError as error:
        raise ValueError("a certificate that is cut short") from error


def _not_after(der: bytes) -> datetime:
    _, certificate, _ = _element(der, 0)
    tag, at, behind = _element(der, certificate)
    tag, _, first = _element(der, at)
    at = first if tag == _VERSION else at
    for _ in range(_BEFORE_VALIDITY):
        _, _, at = _element(der, at)
    _, validity, behind = _element(der, at)
    _, _, at = _element(der, validity)
    tag, at, behind = _element(der, at)
    return _time(tag, der[at:behind].decode("ascii"))


def _time(tag: int, text: str) -> datetime:
    if tag == _UTC_TIME:  # two digits of the year: 1950 to 2049
        text = ("19" if text >= "50" else "20") + text
    elif tag != _GENERALIZED_TIME:
        raise ValueError("a certificate without an end")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Of the element that begins at `at`: its tag, where its contents begin, and where the next one begins."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(der[start : start + size], "big")
        start += size
    return tag, start, start + length
