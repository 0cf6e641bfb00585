"""Real HAProxy and nginx in front of the HTTP tracker, configured as the how-to says, for tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

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
            proxy_set_header Connection "";
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


def nginx(folder: Path, listens: Iterable[str], tracker: str, *, certificate: str = "") -> list[str]:
    """Configures nginx in this folder; the command that runs it there.

    `listens`: the arguments of its lines. `certificate`: lines that name certificate and key.
    """
    lines = "\n        ".join(f"listen {arguments};" for arguments in listens)
    text = NGINX.format(listens=lines, certificate=certificate, tracker=tracker)
    (folder / "nginx.conf").write_text(text)
    return [_program("nginx"), "-p", str(folder), "-c", "nginx.conf"]


def _program(name: str) -> str:
    """Where it is; Debian keeps both out of ordinary users' way."""
    found = shutil.which(name, path="/usr/sbin:/sbin:/usr/bin:/bin")
    assert found
    return found
