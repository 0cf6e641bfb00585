"""The servers that the benches compare, each a process of its own on one CPU."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from thalweg.load_population import Population
from thalweg.load_udp import UdpGenerator, UdpTraffic
from thalweg_common.udp_wire import build_connect

HERE = Path(__file__).parent
ADDRESS = "127.0.0.1"
START_SECONDS = 60.0


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """A running server that answers on 127.0.0.1."""

    name: str
    pid: int
    port: int


class StartError(Exception):
    """A server did not start; the text says which and why."""


def compile_limit(name: str, folder: Path) -> Path:
    """Builds NAME.c, which is the limit of a transport; the program."""
    program = folder / name
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(program), str(HERE / f"{name}.c")], check=True)
    return program


@contextlib.contextmanager
def limit(program: Path, mean_reply_bytes: float, cpu: int) -> Iterator[Server]:
    """The limit, with announce replies of that size on average."""
    command = [str(program), ADDRESS, f"{mean_reply_bytes:.3f}"]
    with _process(command, cpu, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield Server(name="limit", pid=process.pid, port=int(process.stdout.readline()))


def write_whitelist(folder: Path, population: Population) -> None:
    """`folder`/whitelist: every torrent of the population."""
    with UdpGenerator(ADDRESS, 1, population, UdpTraffic()) as generator, (folder / "whitelist").open("w") as file:
        file.writelines(f"{generator.info_hash(torrent).hex()}\n" for torrent in range(population.torrents))


@contextlib.contextmanager
def opentracker(folder: Path, cpu: int, wildcard: bool) -> Iterator[Server]:
    """Debian's opentracker, which serves what `folder`/whitelist lists."""
    if not (program := shutil.which("opentracker")):
        raise StartError("opentracker is not installed (Debian: apt install opentracker)")
    port = _free_port()
    bind = ["-i", "0.0.0.0" if wildcard else ADDRESS, "-p", str(port), "-P", str(port)]
    folder.chmod(0o755)  # it becomes nobody
    command = [program, *bind, "-d", str(folder), "-w", "whitelist"]
    with _process(command, cpu, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _wait_for_answer(port, process)
        yield Server(name="opentracker", pid=process.pid, port=port)


@contextlib.contextmanager
def thalweg_udp(
    name: str,
    command: Sequence[str],
    settings: dict[str, str],
    cpu: int,
    *,
    wildcard: bool = False,
    status_fd: int | None = None,
) -> Iterator[Server]:
    """thalweg-udp with one worker. `settings` are environment variables less their THALWEG_UDP__ (SECTION__KEY)."""
    descriptors = () if status_fd is None else (status_fd,)
    command = [*command, *(word for fd in descriptors for word in ("--status-fd", str(fd)))]
    port = _free_port()
    address = f"{'0.0.0.0' if wildcard else ADDRESS}:{port}"
    environment = _environment("UDP", {"SOCKET_WORKERS": "1", "NETWORK__ADDRESS_IPV4": address, **settings})
    with _process(command, cpu, env=environment, pass_fds=descriptors) as process:
        _wait_for_answer(port, process)
        yield Server(name=name, pid=process.pid, port=port)


@contextlib.contextmanager
def thalweg_http(name: str, command: Sequence[str], settings: dict[str, str], cpu: int) -> Iterator[Server]:
    """thalweg-http. `settings` are environment variables less their THALWEG_HTTP__ (SECTION__KEY)."""
    port = _free_port()
    environment = _environment("HTTP", {"NETWORK__ADDRESS_IPV4": f"{ADDRESS}:{port}", **settings})
    with _process(command, cpu, env=environment) as process:
        _wait_for_connection(port, process)
        yield Server(name=name, pid=process.pid, port=port)


def default_thalweg(service: str = "thalweg-udp") -> list[str]:
    """The service of the environment that runs the bench."""
    return [str(Path(sys.executable).with_name(service))]


def _environment(service: str, settings: dict[str, str]) -> dict[str, str]:
    settings = {"NETWORK__USE_IPV6": "false", "LOG_LEVEL": "warn", **settings}
    return os.environ | {f"THALWEG_{service}__{key}": value for key, value in settings.items()}


@contextlib.contextmanager
def _process(command: Sequence[str], cpu: int, **options: object) -> Iterator[subprocess.Popen[str]]:
    """A process pinned to one CPU, ended with the block."""
    pinned = ["taskset", "--cpu-list", str(cpu), *command]
    process: subprocess.Popen[str] = subprocess.Popen(pinned, text=True, **options)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()


def _free_port() -> int:
    """A port that is free for UDP and TCP."""
    while True:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp,
            contextlib.suppress(OSError),
        ):
            udp.bind((ADDRESS, 0))
            tcp.bind(udp.getsockname())
            return int(udp.getsockname()[1])


def _wait_for_answer(port: int, process: subprocess.Popen[str]) -> None:
    """Returns when a UDP tracker answers a connect."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.1)
        client.connect((ADDRESS, port))

        def ask() -> None:
            client.send(build_connect(1))
            client.recv(64)

        _wait_for(ask, process)


def _wait_for_connection(port: int, process: subprocess.Popen[str]) -> None:
    """Returns when a TCP connection is accepted."""
    _wait_for(lambda: socket.create_connection((ADDRESS, port)).close(), process)


def _wait_for(ask: Callable[[], object], process: subprocess.Popen[str]) -> None:
    """Returns when asking fails no more."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):  # refused, or silent
            ask()
            return
        time.sleep(0.05)
    raise StartError(f"{json.dumps(process.args)} did not answer, exit code {process.returncode}")
