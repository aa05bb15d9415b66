"""Where webhooks may lead: to public addresses, whatever a name says, and no further."""

import socket
import ssl
import threading
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rates.coins import outgoing
from rates.coins.tests.receiver import LOOPBACK

INNER = [
    *("127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "192.168.1.1", "0.1.2.3"),
    *(
        "169.254.169.254",
        "100.100.100.200",
        "100.64.0.1",
        "168.63.129.16",
        "192.0.0.192",
        "192.88.99.1",
    ),
    *("224.0.0.1", "240.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "203.0.113.9"),
    *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1"),
    *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1"),
    *("2002:7f00:1::", "2002:a9fe:a9fe::", "2001:0:4136:e378:8000:63bf:3fff:fdd2"),
]


@pytest.mark.parametrize("text", INNER)
def test_what_is_not_public_is_known_in_every_dress(text):
    assert not outgoing.is_public(ip_address(text))


@pytest.mark.parametrize("text", ["1.1.1.1", "8.8.8.8", "2606:4700::1111", "::ffff:1.1.1.1"])
def test_public_addresses_are_public(text):
    assert outgoing.is_public(ip_address(text))


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "2130706433", "0x7f000001", "017700000001", "127.1", "localhost", "[::1]"],
)
def test_spellings_of_this_machine_are_refused(host):
    with pytest.raises(outgoing.AddressRefused) as refused:
        outgoing.check(f"https://{host}/hook")
    assert refused.value.code == "address_refused"
    result = outgoing.post(f"https://{host}/hook", {}, b"{}")
    assert (result.status, result.error) == (None, "address_refused")


@pytest.mark.parametrize(
    "url",
    [
        *("", "hook", "//1.1.1.1/", "ftp://1.1.1.1/", "file:///etc/passwd", "gopher://1.1.1.1/"),
        *("https://", "https://1.1.1.1:99999/", "https://user@1.1.1.1/", "https://:p@1.1.1.1/"),
        *("https://1.1.1.1/#x", "https://1.1.1.1\\@x/", "https://1.1.1.1/\r\nX: y", "https://[::1"),
        *("https://bücher.example/", "https://1.1.1.1/ a", "https://1.1.1.1/" + "a" * 500),
    ],
)
def test_what_is_no_plain_address_is_refused(url):
    with pytest.raises(outgoing.AddressRefused) as refused:
        outgoing.check(url)
    assert refused.value.code == "not_a_url"
    assert outgoing.post(url, {}, b"{}").error == "not_a_url"


def test_plain_http_is_for_networks_that_the_operator_names():
    with pytest.raises(outgoing.AddressRefused) as refused:
        outgoing.check("http://1.1.1.1/")
    assert refused.value.code == "not_https"
    outgoing.check("http://127.0.0.1:8000/", LOOPBACK)


def names(monkeypatch, *answers):
    """What ``hook.example`` resolves to, each time the next one; how often was asked."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def resolve(host, port, *rest, **more):
        if host != "hook.example":
            return real(host, port, *rest, **more)
        found = answers[min(len(asked), len(answers) - 1)]
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (item, port)) for item in found]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return asked


def test_a_name_with_one_private_address_among_public_ones_is_refused(monkeypatch):
    names(monkeypatch, ["1.1.1.1", "10.0.0.1"])
    with pytest.raises(outgoing.AddressRefused):
        outgoing.check("https://hook.example/")


def test_a_name_that_turns_private_after_it_was_checked_is_refused(monkeypatch):
    asked = names(monkeypatch, ["1.1.1.1"], ["127.0.0.1"])
    outgoing.check("https://hook.example/")
    assert outgoing.post("https://hook.example/", {}, b"{}").error == "address_refused"
    assert len(asked) == 2


def test_a_call_resolves_once_and_connects_to_what_it_checked(monkeypatch):
    asked = names(monkeypatch, ["1.1.1.1"], ["127.0.0.1"])
    dialled = []

    def connect(self, host, port, timeout=None, **more):
        dialled.append(host)
        raise httpcore.ConnectError("nobody there")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    assert outgoing.post("https://hook.example/", {}, b"{}").error == "unreachable"
    assert (len(asked), dialled) == (1, ["1.1.1.1"])


def test_a_name_that_nobody_knows_is_told(monkeypatch):
    def fails(*arguments, **more):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fails)
    assert outgoing.post("https://hook.example/", {}, b"{}").error == "unresolvable"


def test_a_redirect_is_not_followed(receiver):
    def redirects(handler):
        handler.send_response(302)
        handler.send_header("location", "http://169.254.169.254/latest/meta-data/")
        handler.send_header("content-length", "0")
        handler.end_headers()

    receiver.answers = [redirects]
    result = outgoing.post(receiver.url, {}, b"{}", private=LOOPBACK)
    assert (result.status, result.error) == (302, "redirect")
    assert len(receiver.heard) == 1


def test_an_endless_answer_is_left_after_the_first_bytes(receiver):
    def endless(handler):
        handler.send_response(200)
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"a" * 65_536)
        except OSError:
            handler.close_connection = True

    receiver.answers = [endless]
    assert outgoing.post(receiver.url, {}, b"{}", private=LOOPBACK).error == ""


def test_an_answer_that_drips_ends_when_the_whole_call_must(receiver, monkeypatch):
    monkeypatch.setattr(outgoing, "WHOLE", 0.3)
    released = threading.Event()

    def drips(handler):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        number = 0
        while not released.wait(0.05):
            number += 1
            try:
                handler.wfile.write(b"X-%d: y\r\n" % number)
            except OSError:
                break
        handler.close_connection = True

    receiver.answers = [drips]
    result = outgoing.post(receiver.url, {}, b"{}", private=LOOPBACK)
    released.set()
    assert (result.status, result.error) == (None, "timeout")


def test_proxies_of_the_environment_are_not_asked(receiver, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert outgoing.post(receiver.url, {}, b"{}", private=LOOPBACK).error == ""


@pytest.mark.parametrize(("named", "error"), [("hook.example", ""), ("other.example", "tls")])
def test_tls_is_checked_against_the_name_not_the_address(monkeypatch, tmp_path, named, error):
    names(monkeypatch, ["127.0.0.1"])
    certificate = certificate_for(named, tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr(outgoing, "_tls", lambda: trusting)
    with tls_server(certificate) as port:
        result = outgoing.post(f"https://hook.example:{port}/", {}, b"{}", private=LOOPBACK)
    assert result.error == error


def certificate_for(name, folder):
    """A certificate that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = folder / "certificate.pem"
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def tls_server(certificate):
    """Answers one call with 204."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as stream:
                heard = b""
                while not heard.endswith(b"{}"):
                    heard += stream.recv(65_536)
                stream.sendall(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        except OSError:
            connection.close()  # the client did not like the certificate

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join(5)
        listener.close()
