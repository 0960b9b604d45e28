"""The certificate authority of a local Azure and its certificate for 127.0.0.1.

Azurite and the Azure SDKs accept Entra tokens over HTTPS only. Clients trust the authority by
`REQUESTS_CA_BUNDLE` and `SSL_CERT_FILE`: both name a bundle, which contains the user's bundle too.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import trustme
from cryptography import x509

from local_azure import whole_file
from local_azure.home import Home, is_file
from local_azure.runtime.ports import ADDRESS

BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_LIFETIME = timedelta(days=730)
_RENEW_BEFORE = timedelta(days=30)


@dataclass(frozen=True)
class Tls:
    """The certificate files of a local Azure, all PEM."""

    ca_file: Path
    ca_bundle_file: Path
    certificate_file: Path
    key_file: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate_file, self.key_file)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Trusts only this local Azure."""
        context = ssl.create_default_context(cafile=str(self.ca_file))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context

    def client_environment(self) -> dict[str, str]:
        """With it Python, requests and OpenSSL clients trust local Azure, and what they trust without it."""
        return dict.fromkeys(BUNDLE_VARIABLES, str(self.ca_bundle_file))


def ensure(home: Home, environment: Mapping[str, str] | None = None) -> Tls:
    """The certificates of this home, created when missing or within 30 days of their end.

    Each call writes the bundle, from the files that `environment` (os.environ by default) names.
    """
    tls = Tls(home.ca_file, home.ca_bundle_file, home.tls / "server.pem", home.tls / "server.key")
    if not _is_valid(tls):
        _create(home, tls)
    authorities = _authorities(os.environ if environment is None else environment, tls.ca_bundle_file)
    whole_file.write(tls.ca_bundle_file, authorities + b"\n" + tls.ca_file.read_bytes(), 0o644)
    return tls


def _is_valid(tls: Tls) -> bool:
    if not (tls.ca_file.exists() and tls.certificate_file.exists() and tls.key_file.exists()):
        return False
    certificate = x509.load_pem_x509_certificate(tls.certificate_file.read_bytes())
    return certificate.not_valid_after_utc - _RENEW_BEFORE > datetime.now(UTC)


def _create(home: Home, tls: Tls) -> None:
    authority = trustme.CA(organization_name="Local Azure", organization_unit_name=str(home.root)[-60:])
    certificate = authority.issue_cert(ADDRESS, not_after=datetime.now(UTC) + _LIFETIME)
    whole_file.write(tls.key_file, certificate.private_key_pem.bytes(), 0o600)
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    whole_file.write(tls.certificate_file, chain, 0o644)
    whole_file.write(tls.ca_file, authority.cert_pem.bytes(), 0o644)


def _authorities(environment: Mapping[str, str], own: Path) -> bytes:
    """Of the files that the variables name and that can be read; of certifi when there are none."""
    values = [environment[variable] for variable in BUNDLE_VARIABLES if environment.get(variable)]
    readable = {
        Path(value).resolve() for value in values if is_file(Path(value)) and os.access(value, os.R_OK)
    }
    files = sorted(readable - {own.resolve()}) or [Path(certifi.where())]
    return b"\n".join(file.read_bytes() for file in files)
