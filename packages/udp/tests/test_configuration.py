"""Configuration of the service: files of aquatic_udp, samples, and mistakes on the command line."""

import os
import subprocess
import tomllib
from pathlib import Path

import pytest
from thalweg_common.config import ConfigError
from thalweg_common.config_text import sample
from thalweg_common.endpoints import parse_endpoint
from thalweg_common.listen_config import endpoints, only_ipv6
from thalweg_udp.config import IGNORED, PREFIX, UdpConfig, load_config

from packages.udp.tests.running import COMMAND, LISTEN_ANYWHERE, RunningService, run_command

# Every key aquatic_udp has in its releases 0.8 and 0.9 and on its development branch, at its own default.
AQUATIC = """\
socket_workers = 1
log_level = "error"

[network]
use_ipv4 = true
use_ipv6 = true
address_ipv4 = "0.0.0.0:3000"
address_ipv6 = "[::]:3000"
socket_recv_buffer_size = 8000000
poll_timeout_ms = 50
resend_buffer_max_len = 0
set_only_ipv6 = true
set_reuseport_lb = true
use_io_uring = true
ring_size = 128

[protocol]
max_scrape_torrents = 70
max_response_peers = 30
peer_announce_interval = 900

[statistics]
interval = 5
torrent_peer_histograms = false
peer_clients = false
print_to_stdout = false
write_html_to_file = false
html_file_path = "tmp/statistics.html"
run_prometheus_endpoint = false
prometheus_endpoint_address = "0.0.0.0:9000"
prometheus_peer_id_prefixes = false

[cleaning]
torrent_cleaning_interval = 120
max_connection_age = 120
max_peer_age = 1200

[privileges]
drop_privileges = false
chroot_path = "."
group = "nogroup"
user = "nobody"

[access_list]
mode = "off"
path = "./access-list.txt"

[scrape_exports]
enable_scrape_exports = false
frequency = 10
path = "./udp-scrape-export.txt"
"""

AQUATIC_0_8 = """\
socket_workers = 1
swarm_workers = 1
log_level = "error"
worker_channel_size = 0
request_channel_recv_timeout_ms = 100

[network]
address = "0.0.0.0:3000"
only_ipv6 = false
socket_recv_buffer_size = 524288
poll_event_capacity = 4096
poll_timeout_ms = 50
ring_size = 1024
resend_buffer_max_len = 0

[protocol]
max_scrape_torrents = 70
max_response_peers = 50
peer_announce_interval = 900

[cleaning]
torrent_cleaning_interval = 120
pending_scrape_cleaning_interval = 600
max_connection_age = 120
max_peer_age = 1200
max_pending_scrape_age = 60

[cpu_pinning]
active = false
direction = "ascending"
"""


@pytest.mark.parametrize("text", [AQUATIC, AQUATIC_0_8])
def test_a_file_of_aquatic_starts_the_service(tmp_path: Path, text: str) -> None:
    """Unchanged but for the ports, which the environment gives here; it serves."""
    with RunningService(tmp_path, text, THALWEG_UDP__NETWORK__ADDRESSES="127.0.0.1:0") as service:
        with service.client() as client:
            client.connect()
        assert service.log == ""  # aquatic's log level is error
        assert service.stop() == 0


def test_keys_without_meaning_are_named_once_in_the_log(tmp_path: Path) -> None:
    """With the reason."""
    text = AQUATIC.replace('"error"', '"info"')
    with RunningService(tmp_path, text, THALWEG_UDP__NETWORK__ADDRESSES="127.0.0.1:0") as service:
        service.wait_for_log("ignored privileges.chroot_path")
        assert service.log.count('ignored network.ring_size reason="no io_uring here"') == 1


def test_values_of_aquatic_keep_their_meaning(tmp_path: Path) -> None:
    """They arrive in the fields of the same name."""
    (tmp_path / "x.toml").write_text(AQUATIC)
    loaded = load_config(tmp_path / "x.toml", {})
    assert loaded.config.protocol.peer_announce_interval == 900
    assert loaded.config.cleaning.max_peer_age == 1200
    given = {key: value for key, value in tomllib.loads(AQUATIC).items() if not isinstance(value, dict)}
    assert {key: getattr(loaded.config, key) for key in given} == given
    assert {key for key, _ in loaded.ignored} == {key for key in IGNORED if f"{key.rpartition('.')[2]} =" in AQUATIC}


@pytest.mark.parametrize(
    ("text", "listen", "v6_alone"),
    [
        ("", ["0.0.0.0:3000", "[::]:3000"], True),
        ("network.use_ipv6 = false", ["0.0.0.0:3000"], True),
        ('network.addresses = ["[::1]:1", "127.0.0.1:1", "[::1]:1"]', ["[::1]:1", "127.0.0.1:1"], True),
        ('network.addresses = ["127.0.0.1:0", "127.0.0.1:0"]', ["127.0.0.1:0", "127.0.0.1:0"], True),
        ('network.address = "[::]:3000"', ["[::]:3000"], False),
        ('network.address = "[::]:3000"\nnetwork.only_ipv6 = true', ["[::]:3000"], True),
        ('network.address = "0.0.0.0:3000"', ["0.0.0.0:3000"], False),
    ],
)
def test_where_it_listens(tmp_path: Path, text: str, listen: list[str], v6_alone: bool) -> None:
    """Pairs of aquatic's development branch, its older single address, and lists; each address once."""
    (tmp_path / "x.toml").write_text(text)
    network = load_config(tmp_path / "x.toml", {}).config.network
    assert endpoints(network) == [parse_endpoint(text) for text in listen]
    assert only_ipv6(network) is v6_alone


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("network.use_ipv4 = false\nnetwork.use_ipv6 = false", "network: expected use_ipv4 or use_ipv6 to be true"),
        ('privileges.drop_privileges = true\nprivileges.user = "root"', "privileges.user: expected a user other than"),
        ('privileges.drop_privileges = true\nprivileges.group = "x y"', "privileges.group: expected a group of this"),
    ],
)
def test_values_that_do_not_fit_together(tmp_path: Path, text: str, line: str) -> None:
    """The line begins with the file."""
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "x.toml", {})
    assert str(caught.value).startswith(f"{tmp_path / 'x.toml'}: {line}")


def test_the_sample_starts_as_the_defaults(tmp_path: Path) -> None:
    """--print-config writes what --check-config accepts, and it changes nothing."""
    printed = run_command("--print-config")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert printed.stdout == sample(UdpConfig, PREFIX)
    file = tmp_path / "x.toml"
    file.write_text(printed.stdout)
    assert load_config(file, {}).config == UdpConfig()
    checked = run_command("-c", str(file), "--check-config")
    assert (checked.returncode, checked.stdout) == (0, "configuration is good\n")


def test_the_values_in_effect_are_printed_before_serving(tmp_path: Path) -> None:
    """-P shows file and environment together, and hides the secret."""
    secret = "s" * 32
    ended = run_command("-P", environment={
        "THALWEG_UDP__NETWORK__ADDRESSES": "192.0.2.1:1", "THALWEG_UDP__PROTOCOL__CONNECTION_SECRET": secret,
    })  # fmt: skip
    assert tomllib.loads(ended.stdout)["network"]["addresses"] == ["192.0.2.1:1"]
    assert secret not in ended.stdout
    assert (ended.returncode, ended.stderr) == (
        1,
        "thalweg-udp: cannot listen on 192.0.2.1:1: no interface of this host has the address\n",
    )


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["-c", "missing.toml"], "thalweg-udp: missing.toml: cannot read: No such file or directory\n"),
        (["--wrong"], "thalweg-udp: unrecognized arguments: --wrong; see thalweg-udp --help\n"),
        (["--status-fd", "99"], "thalweg-udp: --status-fd 99: expected an open descriptor\n"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(tmp_path: Path, arguments: list[str], line: str) -> None:
    """Whatever is wrong, there is no traceback."""
    ended = run_command(*arguments, cwd=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (2, "", line)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"ACCESS_LIST__MODE": "allow"}, "access_list.path: cannot read access-list.txt: No such file or directory"),
        ({"ACCESS_LIST__MODE": "deny", "ACCESS_LIST__PATH": "bad.txt"},
         'bad.txt: line 2: expected an info hash of 40 hexadecimal digits, got "hello"'),
        ({"PROTOCOL__CONNECTION_SECRET": "short"},
         "protocol.connection_secret: expected at least 32 bytes, got 5"),
        ({"PROTOCOL__CONNECTION_SECRET_FILE": "none"},
         "protocol.connection_secret_file: cannot read none: No such file or directory"),
        ({"PROTOCOL__CONNECTION_SECRET": "s" * 32, "PROTOCOL__CONNECTION_SECRET_FILE": "bad.txt"},
         "protocol.connection_secret: expected either it or protocol.connection_secret_file, got both"),
    ],
)  # fmt: skip
def test_bad_files_stop_the_start_with_exit_code_2(tmp_path: Path, settings: dict[str, str], line: str) -> None:
    """A list or secret that cannot be used is a mistake in the configuration, and --check-config finds it too."""
    (tmp_path / "bad.txt").write_text("# list\nhello\n")
    environment = {f"THALWEG_UDP__{key}": value for key, value in settings.items()}
    for arguments in (["--check-config"], []):
        ended = run_command(*arguments, environment=environment, cwd=tmp_path)
        assert (ended.returncode, ended.stderr) == (2, f"thalweg-udp: {line}\n")


def test_processes_with_one_secret_accept_each_others_ids(tmp_path: Path) -> None:
    """An id of the first service is good at the second, and after a restart; without a secret it is not."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"0123456789abcdef0123456789abcdef\n")
    secret.chmod(0o600)
    shared = LISTEN_ANYWHERE + f'[protocol]\nconnection_secret_file = "{secret}"\n'
    with RunningService(tmp_path, shared) as first, first.client() as client:
        connection_id = client.connect()
        assert "read the connection secret" not in first.log
    with RunningService(tmp_path, shared) as second, second.client() as client:
        assert client.connect() == connection_id
    with RunningService(tmp_path) as stranger, stranger.client() as client:
        assert client.connect() != connection_id


def test_a_secret_everybody_can_read_is_told(tmp_path: Path) -> None:
    """It is used all the same: mounted secrets are often like that."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 32)
    secret.chmod(0o644)
    with RunningService(tmp_path, LISTEN_ANYWHERE + f'[protocol]\nconnection_secret_file = "{secret}"\n') as service:
        assert "every user of this host can read the connection secret" in service.log


def test_the_file_can_be_named_in_the_environment(tmp_path: Path) -> None:
    """So that --health in a container reads the same one."""
    file = tmp_path / "x.toml"
    file.write_text("wrong = 1\n")
    ended = run_command("--check-config", environment={"THALWEG_UDP_CONFIG_FILE": str(file)})
    assert ended.stderr == f"thalweg-udp: {file}: unknown key wrong; --print-config shows every key\n"


def test_a_reader_that_has_seen_enough_is_no_failure() -> None:
    """As with `thalweg-udp --print-config | head -1`."""
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run([*COMMAND, "--print-config"], stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (0, "")
