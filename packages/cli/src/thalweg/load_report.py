"""What a load run found, as numbers for a file and as lines for a person."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from thalweg.load_generator import Counts, Traffic
from thalweg.load_population import Population
from thalweg.load_process import Memory

SUB_BUCKETS = 32
QUANTILES = {"p50": 0.50, "p90": 0.90, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


class ServerCost(msgspec.Struct, frozen=True, kw_only=True):
    """What the server's process spent in the measured span, and its memory at the end of it."""

    pid: int
    cpu_seconds: float
    replies_per_cpu_second: float
    memory: Memory


class LoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """One measured span. Latencies are microseconds, bytes those of UDP payload or of whole HTTP replies."""

    target: str
    address: str
    workload: str
    population: Population
    traffic: Traffic
    seconds: float
    fill_seconds: float
    requests: dict[str, int]
    replies: dict[str, int]
    lost: int
    late: int
    malformed: int
    send_failed: int
    connections: int
    broken: int
    idle_broken: int = 0
    error_text: str
    replies_per_second: float
    mean_reply_bytes: float
    mean_peers: float
    latency_us: dict[str, float]
    server: ServerCost | None


def bucket_end(index: int) -> int:
    """The latency (ns) at which bucket `index` of tw_load_counts.latency ends."""
    if index < SUB_BUCKETS:
        return index + 1
    return (SUB_BUCKETS + 1 + index % SUB_BUCKETS) << (index // SUB_BUCKETS - 1)


def latencies(histogram: Sequence[int]) -> dict[str, float]:
    """The QUANTILES in microseconds, each rounded up to its bucket's end (3 % at most); empty without replies."""
    total = sum(histogram)
    found: dict[str, float] = {}
    seen = 0
    wanted = list(QUANTILES.items())
    for index, count in enumerate(histogram):
        seen += count
        while wanted and count and seen >= wanted[0][1] * total:
            found[wanted.pop(0)[0]] = bucket_end(index) / 1000
    return found


def make_report(
    counts: Counts,
    seconds: float,
    server: ServerCost | None,
    *,
    target: str,
    address: str,
    workload: str,
    population: Population,
    traffic: Traffic,
    fill_seconds: float,
) -> LoadReport:
    """The report of one measured span of `seconds`."""
    replies = sum(counts.replies.values())
    return LoadReport(
        target=target,
        address=address,
        workload=workload,
        population=population,
        traffic=traffic,
        seconds=round(seconds, 3),
        fill_seconds=round(fill_seconds, 3),
        requests=counts.requests,
        replies=counts.replies,
        lost=counts.lost,
        late=counts.late,
        malformed=counts.malformed,
        send_failed=counts.send_failed,
        connections=counts.connections,
        broken=counts.broken,
        error_text=counts.error_text,
        replies_per_second=round(replies / seconds, 1),
        mean_reply_bytes=_mean(sum(counts.reply_bytes.values()), replies),
        mean_peers=_mean(counts.peers, counts.replies["announce"]),
        latency_us=latencies(counts.latency),
        server=server,
    )


def describe(report: LoadReport) -> list[str]:
    """The report as lines of a table."""
    replies, requests = report.replies, report.requests
    rows = [
        ("replies", f"{sum(replies.values()):,} in {report.seconds:.1f} s = {report.replies_per_second:,.0f} a second"),
        ("", ", ".join(f"{replies[kind]:,} {kind}" for kind in replies)),
        ("requests", ", ".join(f"{requests[kind]:,} {kind}" for kind in requests)),
        ("mean reply", f"{report.mean_reply_bytes:.1f} bytes, {report.mean_peers:.1f} peers in an announce"),
        ("lost", f"{report.lost:,} ({100 * report.lost / max(1, sum(requests.values())):.3f} %)"),
        ("latency", ", ".join(f"{name} {value:,.0f} µs" for name, value in report.latency_us.items())),
    ]
    if report.connections:
        rows.insert(3, ("connections", f"{report.connections:,} opened"))
    oddities = {
        "late": report.late,
        "malformed": report.malformed,
        "not sent": report.send_failed,
        "connections ended by the tracker": report.broken,
        "idle connections ended by the tracker": report.idle_broken,
    }
    if any(oddities.values()):
        rows.append(("oddities", ", ".join(f"{count:,} {name}" for name, count in oddities.items() if count)))
    if report.error_text:
        rows.append(("first error", report.error_text))
    if report.server:
        rows += _describe_server(report.server)
    return [f"{name:<12} {text}" for name, text in rows]


def _describe_server(server: ServerCost) -> list[tuple[str, str]]:
    size = server.memory
    return [
        ("server CPU", f"{server.cpu_seconds:.2f} s = {server.replies_per_cpu_second:,.0f} replies per CPU second"),
        ("memory", f"{size.rss_bytes / 1e6:,.1f} MB resident, {size.anonymous_bytes / 1e6:,.1f} MB of it anonymous"),
    ]


def _mean(total: int, count: int) -> float:
    return round(total / count, 2) if count else 0.0
