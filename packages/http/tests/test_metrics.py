"""The Prometheus endpoint of the running service."""

from pathlib import Path

import pytest
from thalweg_http.counters import CLOSE_REASONS, ERROR_REASONS, FAILURE_REASONS
from thalweg_http.metrics import METRICS

from packages.http.tests.certificates import make_certificate
from packages.http.tests.running import LISTEN_ANYWHERE, RunningService, announce, get, receive_all
from tests.scraping import SERVE, scrape, value


@pytest.mark.needs("openssl")
def test_everything_is_there_at_zero_from_the_start(tmp_path: Path) -> None:
    """A rate over a series that appears with its first event would miss that event."""
    make_certificate(tmp_path)
    tls = 'network.tls_addresses = ["127.0.0.1:0"]\nnetwork.tls_certificate_path = "cert.pem"\n'
    with RunningService(
        tmp_path, LISTEN_ANYWHERE + tls + 'network.tls_private_key_path = "key.pem"\n' + SERVE
    ) as service:
        series = scrape(service)
        names = {name.removesuffix("_count").removesuffix("_bucket").removesuffix("_sum") for name, _ in series}
        assert {metric.name for metric in METRICS} == names
        for version in "46":
            for kind in ("announce", "scrape", "page"):
                assert value(series, "thalweg_requests_total", type=kind, ip_version=version) == 0
            for reason in ERROR_REASONS:
                assert value(series, "thalweg_error_replies_total", reason=reason, ip_version=version) == 0
            for reason in FAILURE_REASONS:
                assert value(series, "thalweg_failure_replies_total", reason=reason, ip_version=version) == 0
        for reason in CLOSE_REASONS:
            assert value(series, "thalweg_closed_connections_total", reason=reason) == 0
        assert value(series, "thalweg_max_connections") > 0
        assert value(series, "thalweg_certificate_end_time_seconds") > 1.7e9


def test_requests_failures_errors_and_the_swarm_are_counted(tmp_path: Path) -> None:
    """By family of the client, kind and reason."""
    with RunningService(tmp_path, LISTEN_ANYWHERE + SERVE) as service:
        for port in (1, 2, 3):
            service.ask(announce(port, "&event=started").replace("left=1", f"left={port - 1}"), ip_version=6)
        service.ask("/announce?", ip_version=6)
        service.ask("/nothing", ip_version=6)
        with service.connect(6) as connection:
            connection.sendall(b"nonsense\r\n\r\n")
            receive_all(connection)
        with service.connect(6) as open_one:
            open_one.sendall(get("/")[:10])
            service.wait_for(lambda: value(scrape(service), "thalweg_connections") == 1)
            series = scrape(service)
        assert value(series, "thalweg_requests_total", type="announce", ip_version="6") == 4
        assert value(series, "thalweg_requests_total", type="page", ip_version="6") == 1
        assert value(series, "thalweg_replies_total", type="announce", ip_version="6") == 3
        assert value(series, "thalweg_replies_total", type="failure", ip_version="6") == 1
        assert value(series, "thalweg_failure_replies_total", reason="malformed", ip_version="6") == 1
        assert value(series, "thalweg_error_replies_total", reason="not_found", ip_version="6") == 1
        assert value(series, "thalweg_error_replies_total", reason="malformed", ip_version="6") == 1
        assert value(series, "thalweg_requests_total", type="announce", ip_version="4") == 0
        assert value(series, "thalweg_peers", ip_version="6") == 3
        assert value(series, "thalweg_seeders", ip_version="6") == 1
        assert value(series, "thalweg_accepted_connections_total") == 7
        assert value(series, "thalweg_closed_connections_total", reason="ended") == 6
        assert value(series, "thalweg_received_bytes_total", ip_version="6") > 6 * 100
        assert value(series, "thalweg_sent_bytes_total", ip_version="6") > 6 * 100


def test_names_follow_the_conventions() -> None:
    """Counters end in _total, nothing else does, and everything begins alike and explains itself."""
    for metric in METRICS:
        assert metric.name.startswith("thalweg_")
        assert metric.name.endswith("_total") == (metric.type == "counter")
        assert metric.help.endswith(".")
    assert len({metric.name for metric in METRICS}) == len(METRICS)
