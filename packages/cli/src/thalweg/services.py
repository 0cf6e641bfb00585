"""The services that `thalweg run` can start: one row per service, present when its distribution is installed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points

import msgspec

from thalweg.addresses import Transport
from thalweg.tracker_url import endpoint


class Service(msgspec.Struct, frozen=True):
    """How a service is started and told where to listen."""

    name: str
    script: str
    """Its console script."""
    transport: Transport
    """What its port is a port of."""
    configure: Callable[[Sequence[str], int], str]
    """Takes addresses and port; gives a configuration file (TOML)."""


def _configure(addresses: Sequence[str], port: int) -> str:
    listen = json.dumps([endpoint(address, port) for address in addresses])
    return f"[network]\naddresses = {listen}\n"


SERVICES = (
    Service("udp", "thalweg-udp", "UDP", _configure),
    Service("http", "thalweg-http", "TCP", _configure),
    Service("ws", "thalweg-ws", "TCP", _configure),
)


def installed_services() -> list[Service]:
    """The rows of the table whose console script this Python environment has."""
    scripts = entry_points(group="console_scripts").names
    return [service for service in SERVICES if service.script in scripts]


def start_command(service: Service) -> list[str]:
    """The command that starts a service with this very Python, wherever its script may lie."""
    (script,) = entry_points(group="console_scripts", name=service.script)
    program = (
        f"import sys, {script.module}; sys.argv[0] = {service.script!r}; sys.exit({script.module}.{script.attr}())"
    )
    return [sys.executable, "-c", program]
