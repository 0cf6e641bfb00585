"""The Prometheus endpoint of the running service."""

from pathlib import Path
from typing import get_args

import pytest
from thalweg_ws.answer import FailureReason
from thalweg_ws.counters import CLOSE_REASONS, DROPPED, ERROR_REASONS, FAILURE_REASONS, RELAYED_TYPES, REQUEST_TYPES
from thalweg_ws.metrics import METRICS
from thalweg_ws.pages import ERRORS

from packages.http.tests.certificates import make_certificate
from packages.ws.tests.running import LISTEN_ANYWHERE, RunningService, announce, offers
from tests.scraping import SERVE, Series, scrape, value


@pytest.mark.needs("openssl")
def test_everything_is_there_at_zero_from_the_start(tmp_path: Path) -> None:
    """A rate over a series that appears with its first event would miss that event."""
    make_certificate(tmp_path)
    tls = 'network.tls_addresses = ["127.0.0.1:0"]\nnetwork.tls_certificate_path = "cert.pem"\n'
    config = LISTEN_ANYWHERE + tls + 'network.tls_private_key_path = "key.pem"\n' + SERVE
    with RunningService(tmp_path, config) as service:
        series = scrape(service)
        assert {metric.name for metric in METRICS} == {name for name, _ in series}
        for version in "46":
            for kind in REQUEST_TYPES:
                assert value(series, "thalweg_requests_total", type=kind, ip_version=version) == 0
            for kind in RELAYED_TYPES:
                assert value(series, "thalweg_relayed_messages_total", type=kind, ip_version=version) == 0
            for reason in ERROR_REASONS:
                assert value(series, "thalweg_error_replies_total", reason=reason, ip_version=version) == 0
            for reason in FAILURE_REASONS:
                assert value(series, "thalweg_failure_replies_total", reason=reason, ip_version=version) == 0
        for kind, reasons in DROPPED.items():
            for reason in reasons:
                assert value(series, "thalweg_dropped_messages_total", type=kind, reason=reason) == 0
        for reason in CLOSE_REASONS:
            assert value(series, "thalweg_closed_connections_total", reason=reason) == 0
        assert value(series, "thalweg_certificate_end_time_seconds") > 1.7e9


def has_settled(series: Series) -> bool:
    """Whether the page's connection is gone, and all that was sent is counted."""
    return value(series, "thalweg_connections") == 2 and value(series, "thalweg_queued_bytes") == 0


def test_messages_are_counted(tmp_path: Path) -> None:
    """By family of who sent them, or got them; type and reason."""
    with RunningService(tmp_path, LISTEN_ANYWHERE + SERVE) as service, service.open(4) as a, service.open(6) as b:
        a.ask(announce("a"))
        b.send(announce("b", left=0, offers=offers("x")))
        offer = a.receive()
        b.receive()
        answer = {"to_peer_id": "b".ljust(20), "offer_id": offer["offer_id"], "answer": {"sdp": "x"}}
        a.send(announce("a", **answer))
        b.receive()
        a.ask(announce("a", **answer))
        a.ask({"action": "scrape", "info_hash": "z" * 20})
        a.send({"action": "announce"})
        a.ask({"action": "hello", "info_hash": "z" * 20})
        service.get("/nothing", 6)
        service.wait_for(lambda: has_settled(scrape(service)))
        series = scrape(service)
        expected = {
            ("thalweg_requests_total", "announce", "4"): 2,
            ("thalweg_requests_total", "announce", "6"): 1,
            ("thalweg_requests_total", "answer", "4"): 2,
            ("thalweg_requests_total", "scrape", "4"): 1,
            ("thalweg_requests_total", "unreadable", "4"): 1,
            ("thalweg_requests_total", "upgrade", "6"): 1,
            ("thalweg_requests_total", "page", "6"): 1,
            ("thalweg_replies_total", "announce", "4"): 1,
            ("thalweg_replies_total", "failure", "4"): 2,
            ("thalweg_replies_total", "error", "6"): 1,
            ("thalweg_relayed_messages_total", "offer", "4"): 1,
            ("thalweg_relayed_messages_total", "answer", "6"): 1,
        }
        for (name, kind, version), count in expected.items():
            assert value(series, name, type=kind, ip_version=version) == count, (name, kind, version)
        assert value(series, "thalweg_failure_replies_total", reason="no_offer", ip_version="4") == 1
        assert value(series, "thalweg_failure_replies_total", reason="malformed", ip_version="4") == 1
        assert value(series, "thalweg_error_replies_total", reason="not_found", ip_version="6") == 1
        assert value(series, "thalweg_unanswered_messages_total", ip_version="4") == 1
        assert value(series, "thalweg_websockets", ip_version="4") == 1
        assert value(series, "thalweg_connections") == 2
        assert (value(series, "thalweg_peers"), value(series, "thalweg_seeders")) == (2, 1)
        assert value(series, "thalweg_queued_bytes") == 0
        assert value(series, "thalweg_received_bytes_total", ip_version="4") > 500
        assert value(series, "thalweg_sent_bytes_total", ip_version="6") > 200


def test_names_follow_the_conventions() -> None:
    """Counters end in _total, nothing else does, and everything begins alike and explains itself."""
    for metric in METRICS:
        assert metric.name.startswith("thalweg_")
        assert metric.name.endswith("_total") == (metric.type == "counter")
        assert metric.help.endswith(".")
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_every_reason_has_a_counter() -> None:
    """What the answer and the pages can say."""
    assert set(FAILURE_REASONS) == set(get_args(FailureReason))
    assert set(ERROR_REASONS) == set(ERRORS)
