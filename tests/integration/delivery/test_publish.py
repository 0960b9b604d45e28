"""One push over TLS: what the transport of requests itself does."""

import io
from pathlib import Path

import pytest
from requests import Session

from delivery.publish import DeploymentError, Publisher, Site
from delivery.retry import Clock
from local_azure.loopback import without_proxy
from tests.fake_azure import PUBLISH, SITE_ID, Azure
from tests.integration.delivery.server import served

HASH = "ab" * 32
PACKAGE = b"zip bytes " * 1000


def publish(azure: Azure) -> None:
    azure.runs(HASH, "CreateAssistant")
    site = Site(SITE_ID, azure.host, azure.host)
    no_time = Clock(lambda: 0.0, lambda _seconds: None)
    publisher = Publisher(
        site,
        f"https://{azure.host}",
        token=lambda: "t",
        session=Session(),
        print_line=lambda _line: None,
        clock=no_time,
    )
    publisher.publish(io.BytesIO(PACKAGE), HASH)


def test_a_site_on_this_machine_gets_the_package_without_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    for name, value in without_proxy({}).items():
        monkeypatch.setenv(name, value)
    with served(tmp_path) as (azure, ca_file):
        # Not Session.verify, which gives way to a bundle that the environment names.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(ca_file))
        publish(azure)
        (push,) = azure.requests(PUBLISH)
    assert push.body == PACKAGE
    assert push.headers["Content-Length"] == str(len(PACKAGE))


def test_a_certificate_that_is_not_trusted_ends_at_once(tmp_path: Path) -> None:
    with served(tmp_path) as (azure, _), pytest.raises(DeploymentError, match="certificate is not trusted"):
        publish(azure)
