"""What `thalweg check https://…` learns before the first request: the handshake, and if the certificate is trusted.

The handshake is tried without looking at the certificate first, so that one is told from the other.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from typing import Any

import trio

from thalweg.check_report import Outcome, Step, printable
from thalweg.exchange import ExchangeError, milliseconds_since
from thalweg.http_exchange import Place, open_socket, start_tls

DAYS_TO_RENEW = 14
"""Fewer days than these before the end of a certificate are worth a remark."""
DAY = 24 * 60 * 60

_INCOMPLETE = "unable to get local issuer certificate"
_ADVICE = {
    "certificate has expired": "Renew it; clients refuse to announce.",
    _INCOMPLETE: "Let the tracker send the whole chain (often called fullchain.pem), not its own certificate alone.",
}
_OTHER_ADVICE = "Clients refuse it: get one for this name from an authority that systems trust."


def ordinary_context() -> ssl.SSLContext:
    """TLS as clients speak it: any certificate for the name that leads to an authority which the system trusts."""
    context = ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # on in Python 3.13; clients are not that strict
    return context


def indifferent_context() -> ssl.SSLContext:
    """TLS as clients speak it, with any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def shake_hands(name: str, place: Place) -> Step:
    """The step of a handshake with whatever certificate there is. Raises ExchangeError."""
    stream = await open_socket(place)
    async with stream:
        began = trio.current_time()
        secure = await start_tls(stream, place, indifferent_context())
        took = milliseconds_since(began)
        text = f"{secure.version()}, {secure.cipher()[0]}".replace("TLSv", "TLS ")
        await trio.aclose_forcefully(secure)
    return Step(name=name, outcome=Outcome.GOOD, text=text, milliseconds=took)


async def judge_certificate(name: str, place: Place, context: ssl.SSLContext) -> Step:
    """The step of a handshake with a client that looks at certificates. Raises ExchangeError."""
    stream = await open_socket(place)
    async with stream:
        try:
            secure = await start_tls(stream, place, context)
        except ssl.SSLCertVerificationError as error:
            text = f"clients refuse it: {error.verify_message}"
            raise ExchangeError(text, _ADVICE.get(error.verify_message, _OTHER_ADVICE)) from None
        certificate = secure.getpeercert()
        await trio.aclose_forcefully(secure)
    return _judge_time(name, place.host, certificate)


def _judge_time(name: str, host: str, certificate: Mapping[str, Any]) -> Step:
    days = int((ssl.cert_time_to_seconds(certificate["notAfter"]) - time.time()) // DAY)
    text = f"trusted, for {host}, from {_issuer(certificate)}, {days} days left"
    if days >= DAYS_TO_RENEW:
        return Step(name=name, outcome=Outcome.GOOD, text=text)
    advice = "Renew it, and see why that has not happened by itself: clients refuse it when it has ended."
    return Step(name=name, outcome=Outcome.REMARK, text=text, advice=advice)


def _issuer(certificate: Mapping[str, Any]) -> str:
    """Who has signed it, by organization or name."""
    names = {key: value for part in certificate["issuer"] for key, value in part}
    return printable(names.get("organizationName") or names.get("commonName") or "an unnamed issuer")
