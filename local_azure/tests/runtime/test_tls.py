import re
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import certifi
import pytest
import trustme
from cryptography import x509

from local_azure.home import Home
from local_azure.runtime import tls

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def certificates(*files: Path) -> set[bytes]:
    return {certificate for file in files for certificate in PEM.findall(file.read_bytes())}


def test_certificates_and_bundle_are_the_same_after_a_restart(tmp_path: Path) -> None:
    made = tls.ensure(Home(tmp_path), {})
    authority, bundle = made.ca_file.read_bytes(), made.ca_bundle_file.read_bytes()
    tls.ensure(Home(tmp_path), {"SSL_CERT_FILE": str(made.ca_bundle_file)})
    assert (made.ca_file.read_bytes(), made.ca_bundle_file.read_bytes()) == (authority, bundle)


@pytest.mark.parametrize("variable", tls.BUNDLE_VARIABLES)
def test_the_bundle_has_the_local_authority_and_those_of_a_variable(tmp_path: Path, variable: str) -> None:
    company = tmp_path / "company.pem"
    company.write_bytes(trustme.CA(organization_name="Company").cert_pem.bytes())
    made = tls.ensure(Home(tmp_path / "home"), {variable: str(company)})
    assert certificates(made.ca_bundle_file) == certificates(company, made.ca_file)


@pytest.mark.parametrize("environment", [{}, {"SSL_CERT_FILE": "/no/such/file"}])
def test_without_a_variable_the_bundle_has_the_authorities_of_certifi(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    made = tls.ensure(Home(tmp_path), environment)
    assert certificates(made.ca_bundle_file) == certificates(Path(certifi.where()), made.ca_file)


def test_a_certificate_that_ends_soon_is_replaced(tmp_path: Path) -> None:
    made = tls.ensure(Home(tmp_path), {})
    soon = trustme.CA().issue_cert("127.0.0.1", not_after=datetime.now(UTC) + timedelta(days=5))
    made.certificate_file.write_bytes(soon.cert_chain_pems[0].bytes())
    tls.ensure(Home(tmp_path), {})
    certificate = x509.load_pem_x509_certificate(made.certificate_file.read_bytes())
    assert certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=300)


def test_private_keys_are_for_their_owner_only(tmp_path: Path) -> None:
    made = tls.ensure(Home(tmp_path), {})
    assert stat.S_IMODE(made.key_file.stat().st_mode) == 0o600
    assert made.server_context().minimum_version == ssl.TLSVersion.TLSv1_2
