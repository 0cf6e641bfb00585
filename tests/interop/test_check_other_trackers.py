"""`thalweg check` judges a tracker that is not ours: Debian's opentracker, which serves listed torrents over IPv4."""

import json
import secrets
import subprocess
import sys

import pytest

from tests.interop.network import Host
from tests.interop.programs import Programs
from tests.interop.trackers import TrackerView, announce_url, start_opentracker

INFO_HASH = secrets.token_bytes(20)


def check(host: Host, url: str, *options: str) -> tuple[int, dict[str, str], str]:
    """Run the command on `host`; give its exit code, its remarks and faults by step, and the verdict."""
    command = [sys.executable, "-m", "thalweg.main", "check", "--json", *options, url]
    done = subprocess.run(host.command(command), capture_output=True, text=True, check=False, timeout=60)
    (report,) = json.loads(done.stdout)
    steps = [step for address in report["addresses"] for step in address["steps"]]
    odd = {step["name"]: step["text"] for step in steps if step["outcome"] != "good"}
    return done.returncode, odd, report["verdict"]


@pytest.fixture
def url(hosts: dict[str, Host], programs: Programs) -> str:
    """The announce URL of an opentracker that serves INFO_HASH alone."""
    start_opentracker(programs, hosts["tracker"], [INFO_HASH])
    with TrackerView(hosts["seeder"], hosts["tracker"].address(4), 4) as view:
        programs.wait_until(view.ready, "opentracker answered")
    return announce_url(hosts["tracker"], 4)


@pytest.mark.needs("opentracker", "iproute2")
def test_opentracker_works_with_its_known_habit(hosts: dict[str, Host], url: str) -> None:
    """For a torrent on its list it works; that it answers forged ids with an error packet is remarked."""
    code, odd, verdict = check(hosts["seeder"], url, "--info-hash", INFO_HASH.hex())
    assert (code, verdict) == (0, "works with remarks")
    assert odd == {"forged id": "a forged connection id gets an error packet"}


@pytest.mark.needs("opentracker", "iproute2")
def test_opentracker_refuses_other_torrents(hosts: dict[str, Host], url: str) -> None:
    """For a random torrent the refusal is recognised, although it is no error packet."""
    code, odd, verdict = check(hosts["seeder"], url)
    assert (code, verdict) == (1, "does not work")
    assert odd == {"announce": "the tracker refused, without a reason"}


def test_an_unreachable_network_says_nothing_against_the_tracker(hosts: dict[str, Host]) -> None:
    """Without a route to the address nothing was checked: neither good nor bad, but no success."""
    code, odd, verdict = check(hosts["seeder"], "udp://192.0.2.1:6969")
    assert (code, verdict) == (1, "not checked")
    assert odd == {"route": "this machine cannot reach IPv4 addresses (Network is unreachable)"}
