"""Reports for people: lines on standard output, and a small page rewritten as a whole."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from thalweg_common.clients import client_name

from thalweg_udp.counters import KINDS, FamilyCounters, Snapshot
from thalweg_udp.percentiles import percentiles

MAX_CLIENTS = 20  # rows of the client table

Table = list[tuple[str, str]]

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>thalweg-udp statistics</title>
<style>body {{ font-family: sans-serif; }} td {{ padding: 0 1em; text-align: right; }}</style></head>
<body><h1>thalweg-udp</h1><p>{when}, over the last {seconds:.0f} seconds</p>
{tables}</body>
</html>
"""


class Report(NamedTuple):
    """The figures between two snapshots: titled tables of names and values."""

    when: str
    seconds: float
    tables: list[tuple[str, Table]]


def make_report(
    before: Snapshot,
    after: Snapshot,
    seconds: float,
    peers_per_torrent: Mapping[int, Mapping[int, int]],
    clients: Mapping[bytes, int],
) -> Report:
    """Rates between two snapshots that are so many seconds apart, and what the swarm holds at the second."""
    tables = [
        (f"IPv{version}", _family_table(before.families[version], family, seconds))
        for version, family in after.families.items()
    ]
    for version, sizes in peers_per_torrent.items():
        tables.append((f"IPv{version} peers per torrent", [(k, f"{v}") for k, v in percentiles(sizes).items()]))
    if clients:
        tables.append(("Announces by client", _client_table(clients)))
    return Report(time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()), seconds, tables)


def as_text(report: Report) -> Iterator[str]:
    """The report as lines."""
    yield f"statistics at {report.when}, over {report.seconds:.1f} s\n"
    for title, table in report.tables:
        yield f"  {title}\n"
        for name, value in table:
            yield f"    {name:<24}{value:>16}\n"


def as_page(report: Report) -> Iterator[str]:
    """The report as an HTML page."""
    tables = "".join(_html_table(title, table) for title, table in report.tables)
    yield _PAGE.format(when=report.when, seconds=report.seconds, tables=tables)


def _family_table(before: FamilyCounters, after: FamilyCounters, seconds: float) -> Table:
    requests = sum(after.requests) - sum(before.requests)
    rows = [
        ("Mbit/s in", f"{(after.rx_bytes - before.rx_bytes) * 8 / 1e6 / seconds:.2f}"),
        ("Mbit/s out", f"{(after.tx_bytes - before.tx_bytes) * 8 / 1e6 / seconds:.2f}"),
        ("requests/s", f"{requests / seconds:.2f}"),
    ]
    for kind, new, old in zip(KINDS, after.replies, before.replies, strict=True):
        rows.append((f"{kind} replies/s", f"{(new - old) / seconds:.2f}"))
    dropped = sum(after.dropped) - sum(before.dropped)
    swarm = after.swarm
    return [
        *rows,
        ("dropped/s", f"{dropped / seconds:.2f}"),
        ("torrents", f"{swarm.torrents}"),
        ("peers", f"{swarm.peers}"),
        ("seeders", f"{swarm.seeders}"),
    ]


def _client_table(clients: Mapping[bytes, int]) -> Table:
    by_name: dict[str, int] = {}
    for prefix, count in clients.items():
        by_name[client_name(prefix)] = by_name.get(client_name(prefix), 0) + count
    common = sorted(by_name.items(), key=lambda entry: -entry[1])[:MAX_CLIENTS]
    return [(name, f"{count}") for name, count in common]


def _html_table(title: str, table: Table) -> str:
    import html  # its table of entities is not for services without a page

    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>\n" for name, value in table)
    return f"<h2>{html.escape(title)}</h2>\n<table>\n{rows}</table>\n"
