"""The real thalweg-udp as a child process on loopback ports that the system chose, for tests."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from thalweg_common.endpoints import LOOPBACKS
from thalweg_common.udp_client import UdpTrackerClient

from tests import running
from tests.running import LISTEN_ANYWHERE, PATIENCE

COMMAND = [sys.executable, "-m", "thalweg_udp.main"]

__all__ = ["COMMAND", "LISTEN_ANYWHERE", "PATIENCE", "RunningService", "run_command"]


def run_command(*arguments: str, command: Sequence[str] = COMMAND, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs thalweg-udp to its end."""
    return running.run_command(command, *arguments, **options)


class RunningService(running.RunningService):
    """A thalweg-udp with this configuration (TOML), ready when the block begins and gone when it ends."""

    def __init__(
        self, folder: Path, config: str = LISTEN_ANYWHERE, command: Sequence[str] = COMMAND, **environment: str
    ) -> None:
        """`folder`: where the configuration and the log are written, and the service's working directory."""
        super().__init__(folder, config, command, **environment)

    def client(self, ip_version: int = 4) -> UdpTrackerClient:
        """A client of the service."""
        return UdpTrackerClient((LOOPBACKS[ip_version], self.port(ip_version)), timeout=PATIENCE)
