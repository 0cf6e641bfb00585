"""The Prometheus endpoint of the running service."""

import os
import re
import urllib.request
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families
from thalweg_common.udp_wire import Announce, Event
from thalweg_udp.metrics import METRICS

from packages.udp.tests.running import LISTEN_ANYWHERE, PATIENCE, RunningService, run_command

SERVE = """\
[statistics]
run_prometheus_endpoint = true
prometheus_endpoint_address = "127.0.0.1:0"
peer_clients = true
prometheus_peer_id_prefixes = true
torrent_peer_histograms = true
[cleaning]
torrent_cleaning_interval = 1
"""

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(service: RunningService) -> Series:
    """Every series the endpoint serves now."""
    (url,) = re.findall(r"http://\S+", service.log)
    with urllib.request.urlopen(url, timeout=PATIENCE) as reply:
        text = reply.read().decode()
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float:
    """One of them."""
    return series[name, frozenset(labels.items())]


def test_everything_is_there_at_zero_from_the_start(tmp_path: Path) -> None:
    """A rate over a series that appears with its first event would miss that event."""
    with RunningService(tmp_path, LISTEN_ANYWHERE + SERVE) as service:
        series = scrape(service)
        names = {name.removesuffix("_count").removesuffix("_bucket").removesuffix("_sum") for name, _ in series}
        later = {metric.name for metric in METRICS if metric.name == "thalweg_peers_per_torrent"}
        assert {metric.name for metric in METRICS} - names <= later
        for ip_version in "46":
            for kind in ("connect", "announce", "scrape"):
                assert value(series, "thalweg_requests_total", type=kind, ip_version=ip_version) == 0
            assert value(series, "thalweg_dropped_datagrams_total", reason="short", ip_version=ip_version) == 0
        assert value(series, "thalweg_workers") == len(os.sched_getaffinity(0))


def test_requests_drops_and_the_swarm_are_counted(tmp_path: Path) -> None:
    """By family of the client, kind and reason."""
    with RunningService(tmp_path, LISTEN_ANYWHERE + SERVE) as service:
        with service.client(6) as client:
            for port in (1, 2, 3):
                announce = Announce(
                    info_hash=bytes(20), peer_id=b"-TR4060-abcdefghijkl", port=port, left=port - 1, event=Event.STARTED
                )
                client.announce(announce)
            client._socket.send(b"short")
            client.scrape([bytes(20)])  # answered after the short one was dropped
        series = scrape(service)
        assert value(series, "thalweg_requests_total", type="announce", ip_version="6") == 3
        assert value(series, "thalweg_replies_total", type="connect", ip_version="6") == 1
        assert value(series, "thalweg_requests_total", type="announce", ip_version="4") == 0
        assert value(series, "thalweg_dropped_datagrams_total", reason="short", ip_version="6") == 1
        assert value(series, "thalweg_received_bytes_total", ip_version="6") == 16 + 3 * 98 + 5 + 36
        assert value(series, "thalweg_peers", ip_version="6") == 3
        assert value(series, "thalweg_seeders", ip_version="6") == 1
        assert value(series, "thalweg_client_announces_total", client="Transmission") == 3
        assert value(series, "thalweg_peer_id_prefix_announces_total", prefix_hex=b"-TR4060-".hex()) == 3
        key = ("thalweg_peers_per_torrent", frozenset({"type": "max", "ip_version": "6"}.items()))
        service.wait_for(lambda: scrape(service).get(key) == 3)


def test_the_histogram_is_cumulative(tmp_path: Path) -> None:
    """Each bucket includes the lower ones, and the last is the count."""
    with RunningService(tmp_path, LISTEN_ANYWHERE + SERVE) as service:
        with service.client() as client:
            for _ in range(40):
                client.connect()
        series = scrape(service)
        buckets = sorted(
            (float(dict(labels)["le"]), count)
            for (name, labels), count in series.items()
            if name == "thalweg_batch_duration_seconds_bucket"
        )
        counts = [count for _, count in buckets]
        assert counts == sorted(counts)
        assert counts[-1] == value(series, "thalweg_batch_duration_seconds_count") >= 1


def test_a_metrics_port_in_use_is_named(tmp_path: Path) -> None:
    """One line, exit code 1."""
    with RunningService(tmp_path, LISTEN_ANYWHERE + SERVE) as service:
        (address,) = re.findall(r"http://([^/]+)/", service.log)
        ended = run_command(environment={
            "THALWEG_UDP__NETWORK__ADDRESSES": "127.0.0.1:0",
            "THALWEG_UDP__STATISTICS__RUN_PROMETHEUS_ENDPOINT": "true",
            "THALWEG_UDP__STATISTICS__PROMETHEUS_ENDPOINT_ADDRESS": address,
        })  # fmt: skip
    assert ended.returncode == 1
    assert ended.stderr.endswith(f"thalweg-udp: cannot serve metrics on {address}: Address already in use\n")


def test_names_follow_the_conventions() -> None:
    """Counters end in _total, nothing else does, and everything begins alike and explains itself."""
    for metric in METRICS:
        assert metric.name.startswith("thalweg_")
        assert metric.name.endswith("_total") == (metric.type == "counter")
        assert metric.help.endswith(".")
    assert len({metric.name for metric in METRICS}) == len(METRICS)
