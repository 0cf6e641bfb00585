"""The options of thalweg-ws: files of aquatic_ws, mistakes, what is printed, lists that are read again."""

import re
import signal
import tomllib
from pathlib import Path

import pytest
from thalweg_common.config import ConfigError
from thalweg_common.config_text import sample
from thalweg_ws.config import IGNORED, PREFIX, WsConfig, load_config, min_interval

from packages.ws.tests.running import COMMAND, INFO_HASH, LISTEN_ANYWHERE, RunningService, announce, run_command

# What aquatic_ws prints with -p, on its development branch and in its release 0.9.
AQUATIC = """\
socket_workers = 1
swarm_workers = 1
log_level = "error"

[network]
use_ipv4 = true
use_ipv6 = true
address_ipv4 = "0.0.0.0:3000"
address_ipv6 = "[::]:3000"
set_only_ipv6 = true
tcp_backlog = 1024
enable_tls = false
tls_certificate_path = ""
tls_private_key_path = ""
websocket_max_message_size = 65536
websocket_max_frame_size = 16384
websocket_write_buffer_size = 8192
enable_http_health_checks = false

[protocol]
max_scrape_torrents = 255
max_offers = 10
peer_announce_interval = 120

[cleaning]
torrent_cleaning_interval = 30
max_peer_age = 180
max_offer_age = 120
max_connection_idle = 180
connection_cleaning_interval = 30
close_after_tls_update_grace_period = 216000

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
peer_clients = false
peer_id_prefixes = false
"""
AQUATIC_0_9 = AQUATIC.replace(
    'use_ipv4 = true\nuse_ipv6 = true\naddress_ipv4 = "0.0.0.0:3000"\naddress_ipv6 = "[::]:3000"\n'
    "set_only_ipv6 = true\n",
    'address = "0.0.0.0:3000"\nonly_ipv6 = false\n',
)


@pytest.mark.parametrize("text", [AQUATIC, AQUATIC_0_9])
def test_a_file_of_aquatic_starts_the_service(tmp_path: Path, text: str) -> None:
    """Unchanged but for the ports, which the environment gives here; it serves."""
    with RunningService(tmp_path, text, THALWEG_WS__NETWORK__ADDRESSES="127.0.0.1:0") as service:
        with service.open() as client:
            assert client.ask(announce("x"))["incomplete"] == 1
            client.close()
        assert service.log == ""  # aquatic's log level is error
        assert service.stop() == 0


def test_keys_without_meaning_are_named_once_in_the_log(tmp_path: Path) -> None:
    """With the reason."""
    text = AQUATIC.replace('"error"', '"info"')
    with RunningService(tmp_path, text, THALWEG_WS__NETWORK__ADDRESSES="127.0.0.1:0") as service:
        assert service.log.count("ignored privileges.chroot_path") == 1
        assert service.log.count('ignored swarm_workers reason="there is one swarm"') == 1


@pytest.mark.parametrize("text", [AQUATIC, AQUATIC_0_9])
def test_values_of_aquatic_keep_their_meaning(tmp_path: Path, text: str) -> None:
    """They arrive in the fields of the same name, all but the ignored ones."""
    (tmp_path / "x.toml").write_text(text)
    loaded = load_config(tmp_path / "x.toml", {})
    for section, keys in tomllib.loads(text).items():
        for key, value in keys.items() if isinstance(keys, dict) else ():
            if f"{section}.{key}" not in IGNORED:
                assert getattr(getattr(loaded.config, section), key) == value
    assert {key for key, _ in loaded.ignored} == {key for key in IGNORED if f"{key.rpartition('.')[2]} =" in text}


def loaded(tmp_path: Path, text: str) -> WsConfig:
    """The configuration in a file."""
    (tmp_path / "x.toml").write_text(text)
    return load_config(tmp_path / "x.toml", {}).config


def test_min_interval_is_half_unless_told(tmp_path: Path) -> None:
    """Never longer than the interval by itself."""
    assert min_interval(loaded(tmp_path, "protocol.peer_announce_interval = 121").protocol) == 61
    assert min_interval(loaded(tmp_path, "protocol.min_interval = 7").protocol) == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("network.websocket_max_mesage_size = 1", "did you mean network.websocket_max_message_size?"),
        ("network.websocket_max_frame_size = 1", "expected a whole number from 1024 to 1048576, got 1"),
        ('network.tls_addresses = ["[::]:1"]', "network.tls_certificate_path: expected a PEM file, because TLS is on"),
        ("network.use_ipv4 = false\nnetwork.use_ipv6 = false", "network: expected use_ipv4 or use_ipv6 to be true"),
        ("limits.max_offers_per_minute = -1", "expected a whole number from 0 to 10000000, got -1"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, said: str) -> None:
    """One line with the file, the key and what was expected."""
    with pytest.raises(ConfigError, match=re.escape(said)) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'x.toml'}: ")


def test_the_sample_is_the_defaults(tmp_path: Path) -> None:
    """What --print-config prints may be used as it is."""
    assert loaded(tmp_path, sample(WsConfig, PREFIX)) == WsConfig()
    assert run_command("--print-config").stdout == sample(WsConfig, PREFIX)


def test_check_config_reads_everything_and_binds_nothing(tmp_path: Path) -> None:
    """Certificate and list included."""
    (tmp_path / "x.toml").write_text('access_list.mode = "allow"\naccess_list.path = "missing"\n')
    ended = run_command("-c", "x.toml", "--check-config", cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr == "thalweg-ws: access_list.path: cannot read missing: No such file or directory\n"
    ended = run_command("--check-config")
    assert (ended.returncode, ended.stdout) == (0, "configuration is good\n")


def test_the_configuration_in_effect_can_be_seen(tmp_path: Path) -> None:
    """-P prints it, then serves."""
    with RunningService(tmp_path, LISTEN_ANYWHERE, [*COMMAND, "-P"]) as service:
        assert 'addresses = ["127.0.0.1:0", "[::1]:0"]' in service.log


def test_access_lists_are_read_again(tmp_path: Path) -> None:
    """What a new list denies is refused and purged while sockets stay open; a bad list changes nothing."""
    listed = tmp_path / "access-list.txt"
    listed.write_text("")
    config = LISTEN_ANYWHERE + 'access_list.mode = "deny"\n'
    with RunningService(tmp_path, config) as service, service.open() as client:
        assert client.ask(announce("x"))["incomplete"] == 1
        listed.write_text(INFO_HASH.encode().hex())
        service.send(signal.SIGHUP)
        service.wait_for_log("access list reloaded info_hashes=1")
        assert client.ask(announce("x"))["failure reason"] == "info hash is not allowed on this tracker"
        service.wait_for(lambda: service.next_status().ip_version["4"].torrents == 0)
        listed.write_text("nonsense")
        service.send(signal.SIGUSR1)
        service.wait_for_log("access list not reloaded, the old one stays")
        assert "failure reason" in client.ask(announce("x"))
