"""The options of thalweg-http: files of aquatic_http, mistakes, what is printed."""

import re
import signal
import tomllib
from pathlib import Path

import pytest
from thalweg_common.config import ConfigError
from thalweg_common.config_text import sample
from thalweg_common.web.config import plain_endpoints, tls_endpoints
from thalweg_http.config import (
    IGNORED,
    PREFIX,
    HttpConfig,
    load_config,
    min_interval,
)

from packages.http.tests.running import COMMAND, LISTEN_ANYWHERE, RunningService, announce, run_command

# What aquatic_http prints with -p, on its development branch and in its release 0.9.
AQUATIC = """\
socket_workers = 1
swarm_workers = 1
log_level = "error"

[network]
use_ipv4 = true
use_ipv6 = true
address_ipv4 = "0.0.0.0:3000"
address_ipv6 = "[::]:3000"
tcp_backlog = 1024
set_only_ipv6 = true
enable_tls = false
tls_certificate_path = ""
tls_private_key_path = ""
keep_alive = true
runs_behind_reverse_proxy = false
reverse_proxy_ip_header_name = "X-Forwarded-For"
reverse_proxy_ip_header_format = "last_address"

[protocol]
max_scrape_torrents = 100
max_peers = 50
peer_announce_interval = 120

[cleaning]
torrent_cleaning_interval = 30
connection_cleaning_interval = 60
max_peer_age = 1800
max_connection_idle = 180

[privileges]
drop_privileges = false
chroot_path = "."
group = "nogroup"
user = "nobody"

[access_list]
mode = "off"
path = "./access-list.txt"

[metrics]
run_prometheus_endpoint = false
prometheus_endpoint_address = "0.0.0.0:9000"
torrent_count_update_interval = 10
"""
AQUATIC_0_9 = AQUATIC.replace(
    'use_ipv4 = true\nuse_ipv6 = true\naddress_ipv4 = "0.0.0.0:3000"\naddress_ipv6 = "[::]:3000"\n',
    'address = "0.0.0.0:3000"\nonly_ipv6 = false\n',
).replace("set_only_ipv6 = true\n", "")


@pytest.mark.parametrize("text", [AQUATIC, AQUATIC_0_9])
def test_a_file_of_aquatic_starts_the_service(tmp_path: Path, text: str) -> None:
    """Unchanged but for the ports, which the environment gives here; it serves."""
    with RunningService(tmp_path, text, THALWEG_HTTP__NETWORK__ADDRESSES="127.0.0.1:0") as service:
        assert b"8:intervali" in service.ask(announce(1))
        assert service.log == ""  # aquatic's log level is error
        assert service.stop() == 0


def test_keys_without_meaning_are_named_once_in_the_log(tmp_path: Path) -> None:
    """With the reason."""
    text = AQUATIC.replace('"error"', '"info"')
    with RunningService(tmp_path, text, THALWEG_HTTP__NETWORK__ADDRESSES="127.0.0.1:0") as service:
        assert service.log.count("ignored privileges.chroot_path") == 1
        assert service.log.count('ignored swarm_workers reason="every worker reaches the whole swarm"') == 1


def test_values_of_aquatic_keep_their_meaning(tmp_path: Path) -> None:
    """They arrive in the fields of the same name, all but the ignored ones."""
    (tmp_path / "x.toml").write_text(AQUATIC)
    loaded = load_config(tmp_path / "x.toml", {})
    for section, keys in tomllib.loads(AQUATIC).items():
        for key, value in keys.items() if isinstance(keys, dict) else ():
            if f"{section}.{key}" not in IGNORED:
                assert getattr(getattr(loaded.config, section), key) == value
    assert {key for key, _ in loaded.ignored} == {key for key in IGNORED if f"{key.rpartition('.')[2]} =" in AQUATIC}


def loaded(tmp_path: Path, text: str) -> HttpConfig:
    """The configuration in a file."""
    (tmp_path / "x.toml").write_text(text)
    return load_config(tmp_path / "x.toml", {}).config


TLS = 'tls_certificate_path = "c"\ntls_private_key_path = "k"\n'


@pytest.mark.parametrize(
    ("text", "plain", "tls"),
    [
        ("", ["0.0.0.0:3000", "[::]:3000"], []),
        (f"[network]\nenable_tls = true\n{TLS}", [], ["0.0.0.0:3000", "[::]:3000"]),
        (f'[network]\ntls_addresses = ["[::]:443"]\n{TLS}', ["0.0.0.0:3000", "[::]:3000"], ["[::]:443"]),
        (
            f'[network]\nenable_tls = true\naddresses = ["[::]:443"]\ntls_addresses = ["[::]:444"]\n{TLS}',
            [],
            ["[::]:443", "[::]:444"],
        ),
    ],
)
def test_where_plain_http_and_tls_are_spoken(tmp_path: Path, text: str, plain: list[str], tls: list[str]) -> None:
    """aquatic's switch turns its addresses over; ours adds more."""
    network = loaded(tmp_path, text).network
    assert [str(endpoint) for endpoint in plain_endpoints(network)] == plain
    assert [str(endpoint) for endpoint in tls_endpoints(network)] == tls


def test_min_interval_is_half_unless_told(tmp_path: Path) -> None:
    """Never longer than the interval by itself."""
    assert min_interval(loaded(tmp_path, "protocol.peer_announce_interval = 121").protocol) == 61
    assert min_interval(loaded(tmp_path, "protocol.min_interval = 7").protocol) == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'network.trusted_proxies = ["10.0.0.0/33"]',
            "network.trusted_proxies: expected a list of at most 256, each an ",
        ),
        ("network.keepalive = true", "unknown key network.keepalive; did you mean network.keep_alive?"),
        (
            'network.reverse_proxy_ip_header_name = "Content-Length"',
            "expected the name of a header that proxies add, such as X-Forwarded-For",
        ),
        ('network.reverse_proxy_ip_header_name = "X: Y"', "expected the name of a header that proxies add"),
        ('network.reverse_proxy_ip_header_format = "first"', 'expected one of "last_address", got "first"'),
        ('network.tls_addresses = ["[::]:1"]', "network.tls_certificate_path: expected a PEM file, because TLS is on"),
        ("network.use_ipv4 = false\nnetwork.use_ipv6 = false", "network: expected use_ipv4 or use_ipv6 to be true"),
        ("limits.max_connections = -1", "expected a whole number from 0 to 10000000, got -1"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    """One line with the file, the key and what was expected."""
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'x.toml'}: ")


def test_the_sample_is_the_defaults(tmp_path: Path) -> None:
    """What --print-config prints may be used as it is."""
    assert loaded(tmp_path, sample(HttpConfig, PREFIX)) == HttpConfig()


@pytest.mark.parametrize("option", ["-p", "--print-config"])
def test_print_config(option: str) -> None:
    """Prints the sample."""
    assert run_command(option).stdout == sample(HttpConfig, PREFIX)


def test_check_config_reads_everything_and_binds_nothing(tmp_path: Path) -> None:
    """Certificate and list included."""
    (tmp_path / "x.toml").write_text('access_list.mode = "allow"\naccess_list.path = "missing"\n')
    ended = run_command("-c", "x.toml", "--check-config", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == "thalweg-http: access_list.path: cannot read missing: No such file or directory\n"
    ended = run_command("--check-config")
    assert (ended.returncode, ended.stdout) == (0, "configuration is good\n")


def test_the_configuration_in_effect_can_be_seen(tmp_path: Path) -> None:
    """-P prints it, then serves."""

    with RunningService(tmp_path, LISTEN_ANYWHERE, [*COMMAND, "-P"]) as service:
        assert 'addresses = ["127.0.0.1:0", "[::1]:0"]' in service.log


def test_an_empty_list_allows_nothing(tmp_path: Path) -> None:
    """It is a list, and not the absence of one; on both paths."""
    (tmp_path / "access-list.txt").write_text("# nothing yet\n")
    with RunningService(tmp_path, LISTEN_ANYWHERE + 'access_list.mode = "allow"\n') as service:
        for more in ("&compact=1", "&compact=0"):
            assert b"not allowed on this tracker" in service.ask(announce(1, more))


def test_access_lists_are_read_again(tmp_path: Path) -> None:
    """What a new list denies is refused and purged; a bad list changes nothing."""
    listed = tmp_path / "access-list.txt"
    listed.write_text("")
    with RunningService(tmp_path, LISTEN_ANYWHERE + 'access_list.mode = "deny"\n') as service:
        service.ask(announce(1))
        service.wait_for(lambda: service.next_status().ip_version["4"].torrents == 1)
        listed.write_text("61" * 20)
        service.send(signal.SIGHUP)
        service.wait_for_log("access list reloaded info_hashes=1")
        assert b"not allowed on this tracker" in service.ask(announce(1))
        service.wait_for(lambda: service.next_status().ip_version["4"].torrents == 0)
        listed.write_text("nonsense")
        service.send(signal.SIGUSR1)
        service.wait_for_log("access list not reloaded, the old one stays")
        assert b"8:retry in5:never" in service.ask(announce(1))
