"""A small network for real programs: hosts are network namespaces, joined by a bridge.

Nothing in it can reach, or be reached from, the machine's own network, so clients can learn of each other from
the tracker alone. Every host has an address per family (10.77.0.N and fd77::N), hence no client has to be talked
into accepting loopback addresses, which some refuse as peers. Root is not needed: without it the namespaces
belong to a user namespace.

A namespace lives as long as its holder, a `cat` that reads from a pipe of ours: when this process ends,
however it ends, the network is gone.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

NEEDED_PROGRAMS = ("unshare", "nsenter", "ip")

SEND_SOCKET = """
import socket, sys
family, kind = map(int, sys.argv[1:])
made = socket.socket(family, kind)
socket.send_fds(socket.socket(fileno=0), [b"s"], [made.fileno()])
"""


def missing() -> str | None:
    """Say why namespaces cannot be made here, or None when they can."""
    for program in NEEDED_PROGRAMS:
        if shutil.which(program, path=_search_path()) is None:
            return f"{program} is not installed"
    attempt = subprocess.run([*_unshare(), "true"], capture_output=True, text=True, check=False)
    return f"network namespaces are not permitted: {attempt.stderr.strip()}" if attempt.returncode else None


def _search_path() -> str:
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


def _unshare() -> list[str]:
    return ["unshare", "--net"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--net"]


class Host:
    """One network namespace; `number` is the last part of its addresses."""

    def __init__(self, name: str, number: int, enter: Sequence[str], unshare: Sequence[str]) -> None:
        """Make the namespace: `unshare` run behind the command prefix `enter`."""
        self.name = name
        self.number = number
        self._holder = subprocess.Popen(
            [*enter, *unshare, "sh", "-c", "echo; exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._holder.stdout is not None
        if not self._holder.stdout.readline():
            raise RuntimeError(f"no network namespace for {name}")

    @property
    def pid(self) -> int:
        """The holder's process, by which `ip` knows the namespace."""
        return self._holder.pid

    def close(self) -> None:
        """End the holder and with it, once its programs have ended, the namespace."""
        self._holder.communicate()

    def address(self, ip_version: int, number: int | None = None) -> str:
        """Give the host's address of that family, or the further one with that number."""
        last = self.number if number is None else number
        return f"10.77.0.{last}" if ip_version == 4 else f"fd77::{last}"

    def command(self, arguments: Sequence[str]) -> list[str]:
        """Give the command that runs `arguments` on this host; it keeps its pid."""
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self.pid), "--net", *user, "--", *arguments]

    def run(self, *arguments: str) -> None:
        """Run a short command on this host and wait for it."""
        environment = os.environ | {"PATH": _search_path()}
        done = subprocess.run(
            self.command(arguments), capture_output=True, text=True, check=False, timeout=10, env=environment
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(arguments)}: {done.stderr}")

    def add_address(self, number: int) -> None:
        """Give the host's interface a further address of each family."""
        self.run("ip", "address", "add", f"{self.address(4, number)}/24", "dev", "eth0")
        self.run("ip", "address", "add", f"{self.address(6, number)}/64", "dev", "eth0", "nodad")

    def socket(self, family: socket.AddressFamily, kind: socket.SocketKind) -> socket.socket:
        """Make a socket that lives on this host, for use by this process."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            program = [sys.executable, "-c", SEND_SOCKET, str(int(family)), str(int(kind))]
            subprocess.run(self.command(program), stdin=theirs.fileno(), check=True, timeout=10)
            _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
        return socket.socket(fileno=descriptors[0])


class Network:
    """Hosts called `names`, in that order numbered from 1, on one bridge. Use it as a context manager."""

    def __init__(self, *names: str) -> None:
        """Keep the names; the hosts are made on entering."""
        self._names = names
        self._open = ExitStack()

    def __enter__(self) -> Self:
        """Make the hosts and join them."""
        with ExitStack() as building:
            switch = self._host(building, "switch", 0, [])
            switch.run("ip", "link", "add", "name", "bridge", "up", "type", "bridge")
            self.hosts = {
                name: self._join(building, switch, name, number) for number, name in enumerate(self._names, 1)
            }
            self._open = building.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        """Take the network down."""
        self._open.close()

    def _host(self, stack: ExitStack, name: str, number: int, enter: Sequence[str]) -> Host:
        unshare = _unshare() if not enter else ["unshare", "--net"]
        host = Host(name, number, enter, unshare)
        stack.callback(host.close)
        return host

    def _join(self, stack: ExitStack, switch: Host, name: str, number: int) -> Host:
        host = self._host(stack, name, number, switch.command(()))
        cable = ["type", "veth", "peer", "name", "eth0", "netns", str(host.pid)]
        switch.run("ip", "link", "add", "name", f"port{number}", "up", "master", "bridge", *cable)
        for interface in ("lo", "eth0"):
            host.run("ip", "link", "set", interface, "up")
        host.add_address(number)
        return host
