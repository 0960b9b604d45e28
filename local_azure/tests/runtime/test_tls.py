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


def _certificates(file: Path) -> set[bytes]:
    return set(PEM.findall(file.read_bytes()))


def test_the_certificates_stay_the_same_across_starts(tmp_path: Path) -> None:
    first = tls.ensure(Home(tmp_path), {}).ca_file.read_bytes()
    assert tls.ensure(Home(tmp_path), {}).ca_file.read_bytes() == first


def test_the_bundle_holds_what_the_machine_trusts_and_the_local_authority(tmp_path: Path) -> None:
    made = tls.ensure(Home(tmp_path), {})
    assert _certificates(made.ca_bundle_file) == _certificates(Path(certifi.where())) | _certificates(
        made.ca_file
    )


@pytest.mark.parametrize("variable", tls.BUNDLE_VARIABLES)
def test_the_bundle_holds_what_a_variable_named_before(tmp_path: Path, variable: str) -> None:
    company = tmp_path / "company.pem"
    company.write_bytes(trustme.CA(organization_name="Company").cert_pem.bytes())
    made = tls.ensure(Home(tmp_path / "home"), {variable: str(company)})
    assert _certificates(made.ca_bundle_file) == _certificates(company) | _certificates(made.ca_file)


def test_the_bundle_does_not_grow_when_it_is_what_the_variable_certificates(tmp_path: Path) -> None:
    size = tls.ensure(Home(tmp_path), {}).ca_bundle_file.stat().st_size
    made = tls.ensure(Home(tmp_path), {"SSL_CERT_FILE": str(tmp_path / "ca-bundle.pem")})
    assert made.ca_bundle_file.stat().st_size == size


def test_a_variable_that_names_nothing_is_as_if_it_were_not_set(tmp_path: Path) -> None:
    made = tls.ensure(Home(tmp_path), {"SSL_CERT_FILE": str(tmp_path / "missing")})
    assert _certificates(made.ca_bundle_file) > _certificates(Path(certifi.where()))


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
