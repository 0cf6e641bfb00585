"""TLS of the real service: every form of key, both kinds of listener, reloading, and what is not TLS."""

import re
import signal
import socket
import ssl
import subprocess
import time
from pathlib import Path

import pytest
from thalweg_common.config import ConfigError
from thalweg_common.web.certificate import certificate_end
from thalweg_common.web.tls import TlsFiles

from packages.http.tests.certificates import KeyForm, make_certificate
from packages.http.tests.running import PATIENCE, RunningService, announce, get, receive_all, receive_reply, run_command

pytestmark = pytest.mark.needs("openssl")

BOTH = """\
[network]
addresses = ["127.0.0.1:0"]
tls_addresses = ["127.0.0.1:0"]
tls_certificate_path = "cert.pem"
tls_private_key_path = "key.pem"
"""
DAY = 86_400


def secure_port(service: RunningService) -> int:
    """The port that speaks TLS."""
    (url,) = [url for url in service.ready.addresses if url.startswith("https://")]
    return int(url.removesuffix("/announce").rpartition(":")[2])


def connect(service: RunningService, **how: ssl.TLSVersion) -> ssl.SSLSocket:
    """A connection over TLS to a tracker whose certificate is not judged."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    for name, value in how.items():
        setattr(context, name, value)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", secure_port(service)), PATIENCE))


def certificate_of(connection: ssl.SSLSocket) -> bytes:
    """What the tracker showed."""
    certificate = connection.getpeercert(binary_form=True)
    assert certificate
    return certificate


@pytest.mark.parametrize("form", ["pkcs8", "pkcs1", "sec1"])
def test_every_form_of_key(tmp_path: Path, form: KeyForm) -> None:
    """Plain and TLS listeners serve one swarm."""
    make_certificate(tmp_path, form=form)
    start = {"pkcs8": "-----BEGIN PRIVATE", "pkcs1": "-----BEGIN RSA PRIVATE", "sec1": "-----BEGIN EC PRIVATE"}[form]
    assert (tmp_path / "key.pem").read_text().startswith(start)
    with RunningService(tmp_path, BOTH) as service, connect(service) as connection:
        for port in (1, 2):
            connection.sendall(get(announce(port)))
            assert b"10:incompletei%de" % port in receive_reply(connection)
        with socket.create_connection(("127.0.0.1", plain_port(service)), PATIENCE) as plain:
            plain.sendall(get(announce(3)))
            assert b"10:incompletei3e" in receive_reply(plain)


def plain_port(service: RunningService) -> int:
    """The port that does not."""
    (url,) = [url for url in service.ready.addresses if url.startswith("http://")]
    return int(url.removesuffix("/announce").rpartition(":")[2])


def test_aquatic_s_switch_makes_the_addresses_speak_tls(tmp_path: Path) -> None:
    """enable_tls: then nothing is plain."""
    make_certificate(tmp_path)
    config = BOTH.replace('tls_addresses = ["127.0.0.1:0"]', "enable_tls = true")
    with RunningService(tmp_path, config) as service, connect(service) as connection:
        assert [url.partition(":")[0] for url in service.ready.addresses] == ["https"]
        connection.sendall(get(announce(1), "Connection: close"))
        assert b"8:intervali" in receive_all(connection)


def test_old_versions_are_refused(tmp_path: Path) -> None:
    """TLS 1.2 is the least; the service goes on."""
    make_certificate(tmp_path)
    with RunningService(tmp_path, BOTH) as service:
        with pytest.warns(DeprecationWarning, match="TLSv1"), pytest.raises((ssl.SSLError, OSError)):
            connect(service, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
        with connect(service, maximum_version=ssl.TLSVersion.TLSv1_2) as connection:
            connection.sendall(get(announce(1)))
            receive_reply(connection)


def test_reloading_changes_the_certificate_and_drops_nobody(tmp_path: Path) -> None:
    """New connections see the new one; those that are open go on."""
    make_certificate(tmp_path)
    with RunningService(tmp_path, BOTH) as service, connect(service) as before:
        make_certificate(tmp_path, name="renewed")
        service.send(signal.SIGHUP)
        service.wait_for_log("TLS files reloaded")
        with connect(service) as after:
            assert certificate_of(after) != certificate_of(before)
        before.sendall(get(announce(1)))
        receive_reply(before)


@pytest.mark.parametrize("broken", ["cert.pem", "key.pem"])
def test_a_bad_file_leaves_the_old_one_in_use(tmp_path: Path, broken: str) -> None:
    """And says so."""
    make_certificate(tmp_path)
    with RunningService(tmp_path, BOTH) as service:
        with connect(service) as before:
            old = certificate_of(before)
        (tmp_path / broken).write_text("nonsense")
        service.send(signal.SIGUSR1)
        service.wait_for_log("TLS files not reloaded, the old ones stay")
        with connect(service) as after:
            assert certificate_of(after) == old


@pytest.mark.parametrize(("days", "warned"), [(13, True), (15, False)])
def test_the_end_is_announced_two_weeks_before(tmp_path: Path, days: int, warned: bool) -> None:
    """In the log, at the start."""
    make_certificate(tmp_path, days)
    with RunningService(tmp_path, BOTH) as service:
        service.stop()
        assert ("the TLS certificate ends soon" in service.log) is warned


def test_plain_http_on_the_tls_port(tmp_path: Path) -> None:
    """Gets an answer in plain HTTP that says what to do."""
    make_certificate(tmp_path)
    with (
        RunningService(tmp_path, BOTH) as service,
        socket.create_connection(("127.0.0.1", secure_port(service)), PATIENCE) as plain,
    ):
        plain.sendall(get(announce(1)))
        assert b"Use https://" in receive_all(plain)


def test_nonsense_on_the_tls_port(tmp_path: Path) -> None:
    """Ends the connection, not the service."""
    make_certificate(tmp_path)
    with RunningService(tmp_path, BOTH) as service:
        for nonsense in (b"\0" * 100, b"\x16\x03\x01\x00\x05hello", b"x"):
            with socket.create_connection(("127.0.0.1", secure_port(service)), PATIENCE) as plain:
                plain.sendall(nonsense)
                plain.shutdown(socket.SHUT_WR)
                receive_all(plain)
        with connect(service) as connection:
            connection.sendall(get(announce(1)))
            receive_reply(connection)


def test_the_end_of_a_certificate(tmp_path: Path) -> None:
    """As OpenSSL was told; 2050 and later are written in another form."""
    for days in (1, 90, 20_000):
        make_certificate(tmp_path, days)
        assert TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem").not_after == pytest.approx(
            time.time() + days * DAY, abs=60
        )


def test_certificates_cut_short_are_refused(tmp_path: Path) -> None:
    """Wherever they are cut, with ValueError and nothing else."""
    make_certificate(tmp_path)
    der = ssl.PEM_cert_to_DER_cert((tmp_path / "cert.pem").read_text())
    validity = re.search(rb"(\x17\r\d{12}Z){2}", der)
    assert validity
    for size in range(validity.end()):
        with pytest.raises(ValueError, match=r"cut short|does not match|without an end|unconverted"):
            certificate_end(ssl.DER_cert_to_PEM_cert(der[:size]))


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("cert.pem", None, "tls_certificate_path: cannot read {file}: No such file or directory"),
        ("key.pem", None, "tls_private_key_path: cannot read {file}: No such file or directory"),
        (
            "cert.pem",
            "nonsense",
            "{file}: expected a certificate, got no certificate in PEM form",
        ),
        ("key.pem", "nonsense", "{file}: expected a private key in PEM form"),
    ],
)
def test_bad_files_are_named(tmp_path: Path, file: str, text: str | None, said: str) -> None:
    """One line says which file, and what is wrong with it."""
    make_certificate(tmp_path)
    path = tmp_path / file
    if text is None:
        path.unlink()
    else:
        path.write_text(text)
    with pytest.raises(ConfigError, match=re.escape(said.format(file=path))):
        TlsFiles(tmp_path / "cert.pem", tmp_path / "key.pem")


def test_a_key_that_does_not_fit_is_told(tmp_path: Path) -> None:
    """Also one with a password, which nobody is there to type."""
    (tmp_path / "other").mkdir()
    make_certificate(tmp_path / "other")
    make_certificate(tmp_path)
    with pytest.raises(ConfigError, match="does not fit"):
        TlsFiles(tmp_path / "cert.pem", tmp_path / "other" / "key.pem")
    subprocess.run(
        ["openssl", "pkey", "-in", "key.pem", "-aes256", "-passout", "pass:river", "-out", "locked.pem"],
        cwd=tmp_path,
        check=True,
    )
    with pytest.raises(ConfigError, match="remove it with: openssl pkey"):
        TlsFiles(tmp_path / "cert.pem", tmp_path / "locked.pem")


def test_tls_without_files_is_a_mistake_of_configuration() -> None:
    """The missing key is named."""
    ended = run_command(environment={"THALWEG_HTTP__NETWORK__ENABLE_TLS": "true"})
    assert ended.returncode == 2
    assert ended.stderr == (
        "thalweg-http: configuration: network.tls_certificate_path: expected a PEM file, because TLS is on\n"
    )
