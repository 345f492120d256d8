"""Which authorities the engine trusts, and that it reads no more of them than it needs."""

import socket
import ssl
import struct
import subprocess
from pathlib import Path

import pytest
import trustme

from broadcaster.sending.engine.engine import Engine
from broadcaster.sending.sender import Settings
from broadcaster.tls import make_context

pytestmark = pytest.mark.usefixtures("aws_keys")


@pytest.fixture
def system(tmp_path, monkeypatch, authority):
    """Have a system that trusts the tests' authority, in a file and in a folder that is indexed as Debian's is."""
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    folder, file = tmp_path / "certs", tmp_path / "cert.pem"
    folder.mkdir()
    file.write_bytes(Path(authority.path).read_bytes())
    (folder / "authority.pem").write_bytes(file.read_bytes())
    subprocess.run(["openssl", "rehash", folder], check=True)
    paths = ssl.get_default_verify_paths()._replace(cafile=str(file), capath=str(folder))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: paths)
    return paths


def send_one(endpoint):
    engine = Engine(endpoint, Settings())
    result = engine.broadcast([["L0SM9cOFvHcCIhw="]], b"{}", on_stale=lambda ids: None)
    engine.close()
    return result


def test_the_systems_authorities_are_looked_up_one_by_one(system, tls_server):
    assert make_context(True).cert_store_stats()["x509_ca"] == 0
    assert send_one(tls_server.endpoint).sent == 1


def test_a_file_with_more_authorities_than_the_folder_is_read(system, monkeypatch):
    with Path(system.cafile).open("ab") as file:
        file.write(trustme.CA().cert_pem.bytes())
    read = []
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda context, purpose: read.append(purpose))
    make_context(True)
    assert read == [ssl.Purpose.SERVER_AUTH]


def test_the_file_that_the_environment_names_is_read(system, tls_server, authority, monkeypatch, tmp_path):
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path / "empty"))
    monkeypatch.setenv("SSL_CERT_FILE", authority.path)
    assert send_one(tls_server.endpoint).sent == 1


def test_a_socket_that_the_far_side_has_reset_is_closed_when_wrapping_it_fails():
    context = make_context(False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        for _ in range(20):  # a socket that is left open is a warning, and that an error here
            ours = socket.create_connection(listening.getsockname())
            theirs, _ = listening.accept()
            theirs.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            theirs.close()
            with pytest.raises(ConnectionResetError):
                context.wrap_socket(ours, server_hostname="localhost", do_handshake_on_connect=False)
            ours.close()
