"""The example's own certificates and keys, made once into a folder and kept.

    ca.crt ca.key          its authority: signs the servers below, nothing else trusts it
    server.crt server.key  of SuperLink, gate and store, for the host names and addresses given
    sites/NAME.key .pub    a SuperNode's key (P-384) and what is registered of it
    store.env              keys of the store: its owner's and a reader's

    python -m federated.identity FOLDER --hosts localhost,127.0.0.1 --sites edge-a-1,edge-a-2
"""

import argparse
import ipaddress
import json
import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_LIFE = timedelta(days=365)
READER = "reader"


def _write(path: Path, content: bytes, *, secret: bool) -> None:
    """Never readable by others, not even for a moment; under its name only when whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.unlink(missing_ok=True)
    mode = 0o600 if secret else 0o644
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    partial.rename(path)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _builder(
    subject: str, issuer: str, key: ec.EllipticCurvePrivateKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _LIFE)
    )


_CA_NAME = "federated-learning example CA"


def ensure_ca(folder: Path) -> None:
    if (folder / "ca.crt").exists():
        return
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    identifier = x509.SubjectKeyIdentifier.from_public_key(public)
    certificate = (
        _builder(_CA_NAME, _CA_NAME, key)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    _write(folder / "ca.key", _pem(key), secret=True)
    _write(folder / "ca.crt", certificate.public_bytes(serialization.Encoding.PEM), secret=False)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def ensure_server(folder: Path, hosts: list[str]) -> None:
    """A certificate for `hosts`; made anew if the one there is for others."""
    names = [_alternative_name(host) for host in sorted(set(hosts))]
    path = folder / "server.crt"
    if path.exists():
        old = x509.load_pem_x509_certificate(path.read_bytes())
        extension = old.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        if list(extension.value) == names:
            return
    authority = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
    authority_key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
    if not isinstance(authority_key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{folder}/ca.key is not an elliptic curve key")
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder("federated-learning", _CA_NAME, key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    _write(folder / "server.key", _pem(key), secret=True)
    _write(path, certificate.public_bytes(serialization.Encoding.PEM), secret=False)


def ensure_site(folder: Path, name: str) -> None:
    """Flower reads these in OpenSSH's form."""
    private = folder / "sites" / f"{name}.key"
    public = folder / "sites" / f"{name}.pub"
    if public.exists():
        return
    key = ec.generate_private_key(ec.SECP384R1())
    _write(
        private,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        ),
        secret=True,
    )
    _write(
        public,
        key.public_key().public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        ),
        secret=False,
    )


def ensure_store_keys(folder: Path) -> None:
    """store.env for the owner, reader.env for the sites, iam/users.json as versitygw reads it."""
    if (folder / "iam" / "users.json").exists():
        return
    owner, reader = secrets.token_urlsafe(30), secrets.token_urlsafe(30)
    for name, access, secret in (("store", "owner", owner), ("reader", READER, reader)):
        content = f"AWS_ACCESS_KEY_ID={access}\nAWS_SECRET_ACCESS_KEY={secret}\n"
        _write(folder / f"{name}.env", content.encode(), secret=True)
    accounts = {"accessAccounts": {READER: {"access": READER, "secret": reader, "role": "user"}}}
    _write(folder / "iam" / "users.json", json.dumps(accounts).encode(), secret=True)


def read_environment(path: Path) -> dict[str, str]:
    lines = (line.split("=", 1) for line in path.read_text().splitlines() if line)
    return {name: value for name, value in lines}


def ensure(folder: Path, hosts: list[str], sites: list[str]) -> None:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    ensure_ca(folder)
    ensure_server(folder, hosts)
    for site in sites:
        ensure_site(folder, site)
    ensure_store_keys(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes certificates and keys into a folder")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--hosts", required=True, help="comma-separated names and addresses")
    parser.add_argument("--sites", required=True, help="comma-separated names of SuperNodes")
    arguments = parser.parse_args()
    ensure(arguments.folder, arguments.hosts.split(","), arguments.sites.split(","))


if __name__ == "__main__":
    main()
