import ssl
import stat
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from federated import identity


def test_secrets_are_the_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    identity.ensure(folder, ["127.0.0.1"], ["edge-a-01"])
    public = {".crt", ".pub"}
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix not in public:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_certificate_is_of_the_authority_and_for_the_hosts(tmp_path: Path) -> None:
    identity.ensure(tmp_path, ["127.0.0.1", "store.example"], ["edge-a-01"])
    verified = subprocess.run(
        [
            *("openssl", "verify", "-x509_strict", "-purpose", "sslserver"),
            *("-CAfile", tmp_path / "ca.crt", "-verify_ip", "127.0.0.1", tmp_path / "server.crt"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert verified.returncode == 0, verified.stderr
    ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    certificate = x509.load_pem_x509_certificate((tmp_path / "server.crt").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["store.example"]


def test_a_second_time_changes_nothing_and_other_hosts_only_the_certificate(
    tmp_path: Path,
) -> None:
    def contents() -> dict[str, bytes]:
        return {
            str(path.relative_to(tmp_path)): path.read_bytes()
            for path in tmp_path.rglob("*")
            if path.is_file()
        }

    identity.ensure(tmp_path, ["127.0.0.1"], ["one"])
    first = contents()
    identity.ensure(tmp_path, ["127.0.0.1"], ["one"])
    assert contents() == first
    identity.ensure(tmp_path, ["127.0.0.1", "198.18.0.2"], ["one", "two"])
    second = contents()
    changed = {name for name in first if first[name] != second[name]}
    assert changed == {"server.crt", "server.key"}
    assert set(second) - set(first) == {"sites/two.key", "sites/two.pub"}


def test_site_keys_are_as_flower_wants_them(tmp_path: Path) -> None:
    from flwr.cli.supernode.register import try_load_public_key
    from flwr.supercore.primitives.asymmetric import public_key_to_bytes

    identity.ensure(tmp_path, ["127.0.0.1"], ["one"])
    key = load_ssh_private_key((tmp_path / "sites" / "one.key").read_bytes(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert try_load_public_key(tmp_path / "sites" / "one.pub") == public_key_to_bytes(
        key.public_key()
    )
