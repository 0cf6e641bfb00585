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

HABITS = {
    "udp": {"forged id": "a forged connection id gets an error packet"},
    "http": {
        "own address": "a client is told of itself",
        "short info hash": "status 400 Invalid Request, without a failure reason",
    },
}
"""What opentracker does in its own way, by scheme and step."""
REFUSALS = {
    "udp": "without a reason",
    "http": "saying “Requested download is not authorized for use with this tracker.”",
}


def check(host: Host, url: str, *options: str) -> tuple[int, dict[str, str], str]:
    """Run the command on `host`; give its exit code, its remarks and faults by step, and the verdict."""
    command = [sys.executable, "-m", "thalweg.main", "check", "--json", *options, url]
    done = subprocess.run(host.command(command), capture_output=True, text=True, check=False, timeout=60)
    (report,) = json.loads(done.stdout)
    steps = [step for address in report["addresses"] for step in address["steps"]]
    odd = {step["name"]: step["text"] for step in steps if step["outcome"] in ("remark", "bad")}
    return done.returncode, odd, report["verdict"]


@pytest.fixture
def tracker(hosts: dict[str, Host], programs: Programs) -> Host:
    """The host of an opentracker that serves INFO_HASH alone, over UDP and HTTP."""
    start_opentracker(programs, hosts["tracker"], [INFO_HASH])
    with TrackerView(hosts["seeder"], hosts["tracker"].address(4), 4) as view:
        programs.wait_until(view.ready, "opentracker answered")
    return hosts["tracker"]


@pytest.mark.needs("opentracker", "iproute2")
@pytest.mark.parametrize(("scheme", "habits"), HABITS.items())
def test_opentracker_works_with_its_known_habits(
    hosts: dict[str, Host], tracker: Host, scheme: str, habits: dict[str, str]
) -> None:
    """For a torrent on its list it works; what it does in its own way is remarked."""
    code, odd, verdict = check(hosts["seeder"], announce_url(tracker, 4, scheme), "--info-hash", INFO_HASH.hex())
    assert (code, verdict) == (0, "works with remarks")
    assert odd == habits


@pytest.mark.needs("opentracker", "iproute2")
@pytest.mark.parametrize(("scheme", "said"), REFUSALS.items())
def test_opentracker_refuses_other_torrents(hosts: dict[str, Host], tracker: Host, scheme: str, said: str) -> None:
    """For a random torrent the refusal is recognised, although over UDP it is no error packet."""
    code, odd, verdict = check(hosts["seeder"], announce_url(tracker, 4, scheme))
    assert (code, verdict) == (1, "does not work")
    assert odd == {"announce": f"the tracker refused, {said}"}


@pytest.mark.parametrize("url", ["udp://192.0.2.1:6969", "http://192.0.2.1/announce", "wss://192.0.2.1"])
def test_an_unreachable_network_says_nothing_against_the_tracker(hosts: dict[str, Host], url: str) -> None:
    """Without a route to the address nothing was checked: neither good nor bad, but no success."""
    code, odd, verdict = check(hosts["seeder"], url)
    assert (code, verdict) == (1, "not checked")
    assert odd == {"route": "this machine cannot reach IPv4 addresses (Network is unreachable)"}
