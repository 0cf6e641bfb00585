"""WebTorrent's own clients: Chromium with a page in it, and a small program for Node.js.

Both are npm packages, which `make programs` puts into node_modules here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.interop.network import Host
from tests.interop.programs import Program, Programs

HERE = Path(__file__).parent
SITE_PORT = 8000
PAGE_SECONDS = 30
NODE_SECONDS = 30

CHROMIUM = [
    "chromium",
    "--headless",
    "--no-sandbox",  # which root cannot have
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--enable-logging=stderr",  # with what pages write on their console
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-features=WebRtcHideLocalIpsWithMdns",  # other pages are told the address as it is
]


def missing() -> str | None:
    """Say how to get the npm packages, or None when they are there."""
    there = (HERE / "node_modules" / ".package-lock.json").exists()
    return None if there else "to fetch the npm packages: make programs"


class Page:
    """A WebTorrent client in a browser of its own, on a host of its own.

    It meets other pages over `ip_version` alone: a browser tells them only the address by which it reaches the
    Internet, until its user has let the page use a camera.
    """

    def __init__(self, programs: Programs, host: Host, ip_version: int) -> None:
        """Make the page's site: a folder called by the host's name, for further files."""
        self.programs, self.host = programs, host
        self.folder = programs.folder / host.name
        self.folder.mkdir()
        for name in ("page.html", "page.js", "node_modules/webtorrent/dist/webtorrent.min.js"):
            shutil.copy(HERE / name, self.folder)
        host.run("ip", f"-{ip_version}", "route", "add", "default", "dev", "eth0")

    def open(self, tracker_url: str) -> None:
        """Serve the site on the host itself, whose pages may use everything, and show it to Chromium."""
        serve = ["http.server", "--bind", "127.0.0.1", "--directory", str(self.folder), str(SITE_PORT)]
        site = self.programs.start(f"{self.host.name}-site", self.host, [sys.executable, "-um", *serve])
        self.programs.wait_until(lambda: "Serving" in site.log.read_text(), "the page was served")
        query = urlencode({"role": self.host.name, "tracker": tracker_url})
        page = f"http://127.0.0.1:{SITE_PORT}/page.html?{query}"
        options = [f"--user-data-dir={self.folder / 'profile'}", *trusted_keys(self.programs.folder)]
        self.chromium: Program = self.programs.start(self.host.name, self.host, [*CHROMIUM, *options, page])

    def wait_for(self, line: str) -> None:
        """Wait until the page has written this on its console."""
        log = self.chromium.log
        what = f"the {self.host.name}'s page wrote: {line}"
        self.programs.wait_until(lambda: f'"page: {line}"' in log.read_text(errors="replace"), what, PAGE_SECONDS)


def trusted_keys(folder: Path) -> list[str]:
    """Give the option by which Chromium believes the certificate that was made in `folder`, if there is one."""
    if not (folder / "tracker.pem").exists():
        return []
    command = ["openssl", "x509", "-in", "tracker.pem", "-noout", "-pubkey"]
    lines = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.splitlines()
    digest = hashlib.sha256(base64.b64decode("".join(lines[1:-1]))).digest()
    return [f"--ignore-certificate-errors-spki-list={base64.b64encode(digest).decode()}"]


def ask_tracker(programs: Programs, host: Host, url: str, info_hash: bytes) -> list[Any]:
    """Run tracker_client.js; give the lines it prints."""
    command = ["node", str(HERE / "tracker_client.js"), url, info_hash.hex()]
    environment = os.environ | {"NODE_EXTRA_CA_CERTS": str(programs.folder / "authority.pem")}
    done = subprocess.run(
        host.command(command), capture_output=True, text=True, check=False, timeout=NODE_SECONDS, env=environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]
