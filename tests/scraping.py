"""Reading the Prometheus endpoint of a running service, for tests."""

from __future__ import annotations

import re
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from tests.running import PATIENCE, RunningService

SERVE = '[metrics]\nrun_prometheus_endpoint = true\nprometheus_endpoint_address = "127.0.0.1:0"\n'

Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(service: RunningService) -> Series:
    """Every series the endpoint serves now."""
    (url,) = re.findall(r"url=(http://\S+)", service.log)
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
