"""Pages of docs/reference, from the declarations of options, metrics and command line.

    python -m thalweg_ws.reference_pages docs/reference

writes them anew; a test compares the committed ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

from thalweg_common import config_text, metrics

from thalweg_ws.arguments import HELP
from thalweg_ws.config import IGNORED, PREFIX, WsConfig
from thalweg_ws.counters import CLOSE_REASONS
from thalweg_ws.metrics import METRICS
from thalweg_ws.pages import ERRORS

MADE = "This page is made by `python -m thalweg_ws.reference_pages docs/reference`."

COMMAND_PAGE = """\
# thalweg-ws

A WebTorrent tracker: it introduces browsers to each other over WebSocket. {made}

```text
{help}```

Every option is in [its own page](ws-configuration.md), every metric in [another](ws-metrics.md). Status lines are
those of [thalweg-udp](thalweg-udp.md#status-lines), with "ws" as the service; the swarm is one for both address
families, and its torrents, peers and seeders stand in both.

## Paths

A WebSocket is opened at any path. Other requests get:

| path | what it gives |
|---|---|
| `/`, and paths that end in `/announce` | a page that tells people what this is, with the announce URL |
| `/health` | `healthy`, or status 503 when the service is about to stop |
| `/robots.txt` | asks crawlers to leave the tracker alone |

## Messages

A message is a JSON object in one text or binary message. Info hashes, peer ids and offer ids are texts of 20
characters U+0000 to U+00FF, one for each byte.

* **announce**: `action` "announce", `info_hash`, `peer_id`, and if wanted `left`, `event`, `numwant`, `offers`. The
  peer is stored, or removed if it has `stopped`. Each offer goes to another random peer, those of seeders to leechers
  only, and no more of them than `numwant` and `protocol.max_offers`. The reply has `interval`, `min interval`,
  `min_interval`, `complete` and `incomplete`.
* **answer**: `action` "announce", `info_hash`, `peer_id`, `to_peer_id`, `offer_id`, `answer`. It is relayed, once, to
  the peer that made this offer to this one. No reply.
* **scrape**: `action` "scrape" and `info_hash`, one or a list. The reply has `files` with `complete`, `incomplete` and
  `downloaded` of each, and `flags`.

What is wrong with a message is told in a message with its `action` and `info_hash`, a `failure reason` and an
`interval`. It never closes the WebSocket. An announce whose info hash cannot be read gets no reply, because clients
close on one without.

A peer id belongs, within its torrent, to the connection that announced it first, for as long as that is open. A
connection that is closed leaves all its torrents at once.

## Close codes

| code | when |
|---|---|
| 1001 | the service stops; spread over `drain_time` |
| 1002, 1007 | the client broke a rule of RFC 6455, or sent text that is not UTF-8 |
| 1009 | a message or frame is larger than configured |
| 1011 | a mistake of ours, which is in the log |

## Errors of HTTP

| status | reason in the metrics | text |
|---|---|---|
{errors}
"""

CONFIGURATION_PAGE = """\
# Configuration of thalweg-ws

A TOML file, all of whose keys have defaults; `thalweg-ws --print-config` writes a complete one with comments. Each
key can also be given in the environment, which goes before the file. Unknown keys are refused. Sections and keys are
those of aquatic_ws wherever the meaning is the same. {made}

{options}"""

METRICS_PAGE = """\
# Metrics of thalweg-ws

Served for Prometheus when `metrics.run_prometheus_endpoint` is on. Counters count since the start of the process;
every series is there from the first scrape on, at zero. `ip_version` is the family of the client, `4` or `6`, as a
trusted proxy named it where one did; the swarm is one for both. {made}

{table}
Connections are closed for one of these reasons: {reasons}.
"""


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    options = config_text.reference(WsConfig, PREFIX, IGNORED)
    errors = "\n".join(f"| {status} | `{reason}` | {text} |" for reason, (status, text) in ERRORS.items())
    reasons = ", ".join(f"`{reason}`" for reason in CLOSE_REASONS)
    return {
        "thalweg-ws.md": COMMAND_PAGE.format(made=MADE, help=HELP, errors=errors),
        "ws-configuration.md": CONFIGURATION_PAGE.format(made=MADE, options=options),
        "ws-metrics.md": METRICS_PAGE.format(made=MADE, table=metrics.reference(METRICS), reasons=reasons),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        Path(sys.argv[1], name).write_text(text, "utf-8")
