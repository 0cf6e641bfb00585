"""Bound sockets: options, shared ports, and what the kernel refuses."""

import ctypes
import errno
import os
import platform
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from thalweg_common.binding import BindError, ipv6_available
from thalweg_common.endpoints import parse_endpoint
from thalweg_common.log import Log
from thalweg_common.udp_sockets import Listener, SocketOptions, bind

OPTIONS = SocketOptions(receive_buffer=100_000, only_ipv6=True)
IP_PKTINFO = 8

Bind = Callable[..., list[Listener]]


@pytest.fixture
def log_file(tmp_path: Path) -> Path:
    """Where the log goes."""
    return tmp_path / "log"


@pytest.fixture
def bound(log_file: Path) -> Iterator[Bind]:
    """Binds addresses given as texts, and closes them at the end."""
    listeners: list[Listener] = []
    with log_file.open("w") as file:

        def make(*texts: str, workers: int = 1, options: SocketOptions = OPTIONS) -> list[Listener]:
            made = bind(
                [parse_endpoint(text) for text in texts], workers, options, Log("test", descriptor=file.fileno())
            )
            listeners.extend(made)
            return made

        yield make
    for listener in listeners:
        listener.close()


def option(sock: socket.socket, level: int, name: int) -> int:
    """An integer option of a socket."""
    return sock.getsockopt(level, name)


def test_workers_share_the_port_that_0_became(bound: Bind) -> None:
    """One socket for each worker, all at the endpoint that is told."""
    (listener,) = bound("127.0.0.1:0", workers=3)
    assert len(listener.sockets) == 3
    assert {sock.getsockname() for sock in listener.sockets} == {("127.0.0.1", listener.endpoint.port)}
    assert not any(sock.getblocking() for sock in listener.sockets)


def test_wildcards_ask_for_the_local_address(bound: Bind) -> None:
    """Only there a reply could leave from another address than was asked."""
    any4, any6, one4, one6 = bound("0.0.0.0:0", "[::]:0", "127.0.0.1:0", "[::1]:0")
    for listener, asked in ((any4, True), (one4, False)):
        assert bool(option(listener.sockets[0], socket.IPPROTO_IP, IP_PKTINFO)) is asked
    for listener, asked in ((any6, True), (one6, False)):
        assert bool(option(listener.sockets[0], socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO)) is asked


@pytest.mark.parametrize(("only_ipv6", "reached"), [(True, False), (False, True)])
def test_an_ipv6_wildcard_takes_ipv4_when_asked_to(bound: Bind, only_ipv6: bool, reached: bool) -> None:
    """The sender then looks like ::ffff:127.0.0.1."""
    (listener,) = bound("[::]:0", options=SocketOptions(receive_buffer=0, only_ipv6=only_ipv6))
    assert bool(option(listener.sockets[0], socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)) is not reached


def test_ipv4_of_a_port_belongs_to_the_ipv4_socket(bound: Bind) -> None:
    """A dual-stack wildcard beside it keeps to IPv6 on that port, so both can be had."""
    (free,) = bound("[::]:0")
    port = free.endpoint.port
    free.close()
    either = SocketOptions(receive_buffer=0, only_ipv6=False)
    listeners = bound(f"[::]:{port}", f"0.0.0.0:{port}", options=either)
    assert option(listeners[0].sockets[0], socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1


def test_a_shared_port_is_not_shared_with_strangers(bound: Bind) -> None:
    """A second tracker would split the swarm; it is told what to do instead."""
    (listener,) = bound("127.0.0.1:0", workers=2)
    with pytest.raises(BindError, match=rf"{listener.endpoint}: the port is in use; stop the other program or"):
        bound(str(listener.endpoint))


def test_an_address_of_another_host_is_refused(bound: Bind) -> None:
    """192.0.2.0/24 is for documentation: nobody has it."""
    with pytest.raises(BindError, match=r"192\.0\.2\.1:1: no interface of this host has the address"):
        bound("127.0.0.1:0", "192.0.2.1:1")


def test_the_kernels_drops_are_counted(bound: Bind) -> None:
    """What does not fit into the buffer is gone, and known."""
    (listener,) = bound("127.0.0.1:0", options=SocketOptions(receive_buffer=4096, only_ipv6=True))
    assert listener.kernel_drops() == 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        for _ in range(200):
            client.sendto(bytes(98), listener.sockets[0].getsockname())
    received = sum(1 for _ in iter(lambda: _received(listener.sockets[0]), False))
    assert listener.kernel_drops() == 200 - received > 0


def _received(sock: socket.socket) -> bool:
    try:
        return bool(sock.recv(2048))
    except BlockingIOError:
        return False


def test_a_host_without_ipv6_is_served_over_ipv4(bound: Bind, log_file: Path) -> None:
    """Its wildcard is left out with a warning; an address that was meant is an error."""
    outcomes = without_ipv6(
        lambda: len(bound("0.0.0.0:0", "[::]:0")), lambda: bound("0.0.0.0:0", "[::1]:0"), ipv6_available
    )
    assert outcomes[0] == 1
    assert "no IPv6 on this host, serving IPv4 alone address=[::]:0" in log_file.read_text()
    assert str(outcomes[1]) == "cannot listen on [::1]:0: this host has no IPv6; set network.use_ipv6 = false"
    assert outcomes[2] is False


def without_ipv6(*actions: Callable[[], object]) -> list[object]:
    """What the actions give (or raise), done in a thread for which the kernel refuses AF_INET6 sockets."""
    outcomes: list[object] = []

    def run() -> None:
        refuse_ipv6_sockets()
        for action in actions:
            try:
                outcomes.append(action())
            except BindError as error:
                outcomes.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcomes


def refuse_ipv6_sockets() -> None:
    """Puts a seccomp filter on this thread: socket(AF_INET6, …) fails as on a kernel without IPv6."""
    number = {"x86_64": 41, "aarch64": 198}[platform.machine()]
    load, jump_if_equal, give = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | errno.EAFNOSUPPORT
    program = [
        (load, 0, 0, 0),  # the number of the system call
        (jump_if_equal, 0, 3, number),
        (load, 0, 0, 16),  # its first argument
        (jump_if_equal, 0, 1, socket.AF_INET6),
        (give, 0, 0, refuse),
        (give, 0, 0, allow),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in program))
    header = struct.pack("@HP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_filter = (38, 1, 0, 0, 0), (22, 2, header, 0, 0)
    for arguments in (no_new_privileges, set_filter):
        if libc.prctl(*arguments) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
