"""The tracker object in this process: failures that nobody can cause from outside."""

import os
from pathlib import Path

from thalweg_common import udp_sockets
from thalweg_common.command import FAILED
from thalweg_common.endpoints import parse_endpoint
from thalweg_common.log import Log
from thalweg_common.signals import Signals
from thalweg_common.timers import Timers
from thalweg_common.udp_sockets import SocketOptions
from thalweg_udp.config import UdpConfig
from thalweg_udp.main import control
from thalweg_udp.maintenance import Maintenance
from thalweg_udp.tracker import Tracker

from packages.udp.tests.running import COMMAND, run_command


def test_a_worker_that_fails_ends_the_service(tmp_path: Path) -> None:
    """The control loop wakes, logs the reason and gives exit code 1."""
    with (tmp_path / "log").open("w") as file, Signals() as signals:
        log = Log("udp", descriptor=file.fileno())
        options = SocketOptions(receive_buffer=0, only_ipv6=True)
        listeners = udp_sockets.bind([parse_endpoint("127.0.0.1:0")], 1, options, log)
        with (
            Tracker(UdpConfig(), os.urandom(16), listeners, workers=1) as tracker,
            Maintenance(tracker, UdpConfig(), log) as maintenance,
        ):
            listeners[0].close()  # under the worker's feet
            tracker.start(on_end=signals.wake)
            assert control(signals, Timers(), tracker, maintenance, log) == FAILED
            assert not tracker.is_serving()
    assert 'a worker failed reason="Bad file descriptor"' in (tmp_path / "log").read_text()


def test_memory_that_is_not_to_be_had_is_told() -> None:
    """As a mistake of configuration, with the key."""
    limited = ["sh", "-c", 'ulimit -v 1048576; exec "$@"', "sh", *COMMAND]
    settings = {"THALWEG_UDP__NETWORK__ADDRESSES": "127.0.0.1:0", "THALWEG_UDP__LIMITS__MAX_MEMORY_MIB": "65536"}
    ended = run_command(command=limited, environment=settings)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == (
        "thalweg-udp: limits.max_memory_mib: the system does not give 65536 MiB of address space"
    )
