"""Pages of docs/reference, from the declarations of options, metrics and command line.

    python -m thalweg_http.reference_pages docs/reference

writes them anew; a test compares the committed ones.
"""

from __future__ import annotations

import sys
from pathlib import Path

from thalweg_common import config_text, metrics

from thalweg_http.arguments import HELP
from thalweg_http.config import IGNORED, PREFIX, HttpConfig
from thalweg_http.counters import CLOSE_REASONS
from thalweg_http.metrics import METRICS
from thalweg_http.pages import ERRORS

MADE = "This page is made by `python -m thalweg_http.reference_pages docs/reference`."

COMMAND_PAGE = """\
# thalweg-http

A BitTorrent tracker over HTTP and HTTPS (BEP 3, 7, 21, 23, 24, 31, 48). {made}

```text
{help}```

Every option is in [its own page](http-configuration.md), every metric in [another](http-metrics.md). Status lines are
those of [thalweg-udp](thalweg-udp.md#status-lines), with "http" as the service.

## Paths

| path | what it gives |
|---|---|
| `/announce`, `/announce.php`, `/KEY/announce`, `/announce/KEY` | announces; the key is not looked at |
| `/scrape` and likewise | scrapes |
| `/` | a page that tells people what this is, with the announce URL |
| `/health` | `healthy`, or status 503 when the service is about to stop |
| `/stats`, `/stats.json`, `/stats?mode=everything` | numbers for people, for programs, and in opentracker's XML |
| `/robots.txt` | asks crawlers to leave the tracker alone |

## Errors of HTTP

What is wrong with an announce or a scrape is told with status 200 and a `failure reason`, because clients show no
other. Only what is no tracker request gets another status:

| status | reason in the metrics | text |
|---|---|---|
{errors}
"""

CONFIGURATION_PAGE = """\
# Configuration of thalweg-http

A TOML file, all of whose keys have defaults; `thalweg-http --print-config` writes a complete one with comments. Each
key can also be given in the environment, which goes before the file. Unknown keys are refused. Sections and keys are
those of aquatic_http wherever the meaning is the same. {made}

{options}"""

METRICS_PAGE = """\
# Metrics of thalweg-http

Served for Prometheus when `metrics.run_prometheus_endpoint` is on. Counters count since the start of the process;
every series is there from the first scrape on, at zero. `ip_version` is the family of the client, `4` or `6`, as a
trusted proxy named it where one did. {made}

{table}
Connections are closed for one of these reasons: {reasons}.
"""


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    options = config_text.reference(HttpConfig, PREFIX, IGNORED)
    errors = "\n".join(f"| {status} | `{reason}` | {text} |" for reason, (status, text) in ERRORS.items())
    reasons = ", ".join(f"`{reason}`" for reason in CLOSE_REASONS)
    return {
        "thalweg-http.md": COMMAND_PAGE.format(made=MADE, help=HELP, errors=errors),
        "http-configuration.md": CONFIGURATION_PAGE.format(made=MADE, options=options),
        "http-metrics.md": METRICS_PAGE.format(made=MADE, table=metrics.reference(METRICS), reasons=reasons),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        Path(sys.argv[1], name).write_text(text, "utf-8")
