"""Real HAProxy and nginx in front of a tracker, configured as the how-to says, for tests."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.running import RunningService

HAPROXY = """\
global
    maxconn 100
defaults
    mode {mode}
    timeout connect 5s
    timeout client 5s
    timeout server 5s
frontend tracker
    {binds}
    {forwarded}
    default_backend thalweg
backend thalweg
    server here {tracker} {send}
"""
NGINX = """\
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path a; proxy_temp_path b; fastcgi_temp_path c; uwsgi_temp_path d; scgi_temp_path e;
    server {{
        {listens}
        {certificate}
        location / {{
            proxy_pass http://{tracker};
            proxy_http_version 1.1;
            proxy_set_header Connection {connection};
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""


def haproxy(
    folder: Path,
    binds: Iterable[str],
    tracker: str,
    *,
    mode: str = "tcp",
    forwarded: str = "",
    send: str = "send-proxy-v2",
) -> list[str]:
    """Configures HAProxy in this folder; the command that runs it there.

    `binds`: the arguments of its lines. `forwarded`: a line that adds a header. `tracker`: address and port.
    """
    lines = "\n    ".join(f"bind {arguments}" for arguments in binds)
    text = HAPROXY.format(mode=mode, binds=lines, forwarded=forwarded, tracker=tracker, send=send)
    (folder / "haproxy.cfg").write_text(text)
    return [_program("haproxy"), "-db", "-f", str(folder / "haproxy.cfg")]


def nginx(
    folder: Path, listens: Iterable[str], tracker: str, *, certificate: str = "", connection: str = '""'
) -> list[str]:
    """Configures nginx in this folder; the command that runs it there.

    `listens`: the arguments of its lines. `certificate`: lines that name certificate and key. `connection`: the
    header of that name; "upgrade" for WebSockets.
    """
    lines = "\n        ".join(f"listen {arguments};" for arguments in listens)
    text = NGINX.format(listens=lines, certificate=certificate, connection=connection, tracker=tracker)
    (folder / "nginx.conf").write_text(text)
    return [_program("nginx"), "-p", str(folder), "-c", "nginx.conf"]


def _program(name: str) -> str:
    """Where it is; Debian keeps both out of ordinary users' way."""
    found = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    assert found
    return found


def free_port() -> int:
    """A port that nothing listens on in either family."""
    with socket.socket(socket.AF_INET6) as probe:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        probe.bind(("::", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(command: list[str], folder: Path, service: RunningService, answers: Callable[[], bool]) -> Iterator[None]:
    """A running proxy, once the service answers through it."""
    with (
        (folder / "proxy.txt").open("w") as log,
        subprocess.Popen(command, cwd=folder, stdout=log, stderr=log) as process,
    ):
        try:
            service.wait_for(lambda: process.poll() is None and answers())
            yield
        finally:
            process.terminate()
