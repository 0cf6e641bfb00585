"""Pages of docs/reference, from the declarations of options, metrics and command line.

    python -m thalweg_udp.reference_pages docs/reference

writes them anew; a test compares the committed ones.
"""

from __future__ import annotations

import inspect
import sys
from pathlib import Path

from thalweg_common import config_text, metrics, status

from thalweg_udp.arguments import HELP
from thalweg_udp.config import IGNORED, PREFIX, UdpConfig
from thalweg_udp.metrics import METRICS

MADE = "This page is made by `python -m thalweg_udp.reference_pages docs/reference`."

COMMAND_PAGE = """\
# thalweg-udp

A BitTorrent tracker over UDP (BEP 15). {made}

```text
{help}```

Every option is in [its own page](udp-configuration.md), every metric in [another](metrics.md).

## Status lines

{status}
"""

CONFIGURATION_PAGE = """\
# Configuration of thalweg-udp

A TOML file, all of whose keys have defaults; `thalweg-udp --print-config` writes a complete one with comments. Each
key can also be given in the environment, which goes before the file. Unknown keys are refused. Sections and keys are
those of aquatic_udp wherever the meaning is the same. {made}

{options}"""

METRICS_PAGE = """\
# Metrics of thalweg-udp

Served for Prometheus when `statistics.run_prometheus_endpoint` is on. Counters count since the start of the process;
every series is there from the first scrape on, at zero. `ip_version` is the family of the client, `4` or `6`, also on
a socket that serves both. {made}

{table}"""


def pages() -> dict[str, str]:
    """The text of each page by its file name."""
    options = config_text.reference(UdpConfig, PREFIX, IGNORED)
    return {
        "thalweg-udp.md": COMMAND_PAGE.format(made=MADE, help=HELP, status=_status_text()),
        "udp-configuration.md": CONFIGURATION_PAGE.format(made=MADE, options=options),
        "metrics.md": METRICS_PAGE.format(made=MADE, table=metrics.reference(METRICS)),
    }


def _status_text() -> str:
    """The description of status lines, with the example as a block."""
    text = inspect.getdoc(status) or ""
    title, _, body = text.partition("\n\n")
    before, _, rest = body.partition('\n\n    {"service"')
    example, _, after = rest.partition("\n\n")
    example = inspect.cleandoc('    {"service"' + example)
    return f"{title}\n\n{before}\n\n```json\n{example}\n```\n\n{after}"


if __name__ == "__main__":
    for name, text in pages().items():
        Path(sys.argv[1], name).write_text(text, "utf-8")
