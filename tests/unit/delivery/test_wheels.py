"""The causes of pip's failures, and the settings of this machine that pip gets."""

from pathlib import Path

import pytest

from delivery.wheels import failure_of, source_variables, yanked

CACHE = Path("/project/.build/wheels/cp312")
NOT_FOUND = """
ERROR: Could not find a version that satisfies the requirement demo==1.0 (from versions: none)
ERROR: No matching distribution found for demo==1.0
"""
URL = "http://index.example/simple/demo/"
POOL = "HTTPSConnectionPool(host='index.example', port=443): Max retries exceeded with url: /simple/demo/"
RETRY = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after "
    "connection broken by 'ProxyError('Cannot connect to proxy.', OSError('x'))': /simple/demo/"
)


def fetch(reason: str) -> str:
    return f"Could not fetch URL {URL}: {reason} - skipping{NOT_FOUND}"


# The lines of pip's own output: of 23.2.1, or of 26.3 where a comment says so. Hosts are replaced.
OUTPUTS = [
    ("/venv/bin/python: No module named pip", "has no pip. Run `"),
    ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "is not the file that"),
    (fetch(f"connection error: {POOL} (Caused by ProxyError('Cannot connect to proxy.', x))"), "the proxy"),
    (fetch("proxy connection error: ('Unable to connect to proxy', x)"), "the proxy refuses"),  # 26.3
    (fetch("There was a problem confirming the ssl certificate: x"), "is not trusted. Set PIP_CERT"),
    ("OSError: Could not find a suitable TLS CA certificate bundle, invalid path: /x", "PIP_CERT"),
    (fetch(f"401 Client Error: Unauthorized for url: {URL}"), "refuses these credentials"),
    (fetch(f"{POOL} (Caused by ResponseError('too many 503 error responses'))"), "reached or is overloaded"),
    (fetch(f"429 Client Error: Too Many Requests for url: {URL}"), "reached or is overloaded, and /project"),
    (fetch("connection error: [Errno 111] Connection refused"), "cannot be reached"),  # 26.3
    ("WARNING: Attempting to resume incomplete download (5 bytes/9 bytes, attempt 2)", "reached"),  # 26.3
    (NOT_FOUND.replace("none", "0.9, 1.1"), "has no such wheel for CPython 3.12 on Linux x86_64"),
    (fetch(f"404 Client Error: Not Found for url: {URL}"), "no such wheel"),
    (RETRY + NOT_FOUND, "no such wheel"),
    ("ERROR: something new", "pip failed.\n  pip: ERROR: something new"),
    ("OSError: [Errno 28] No space left on device: '/b/a.whl'", "pip failed.\n  pip: OSError: [Errno 28] No"),
    ("", "pip failed."),
]  # fmt: skip


@pytest.mark.parametrize(("output", "cause"), OUTPUTS)
def test_the_cause_of_a_failure_comes_from_pips_output(output: str, cause: str) -> None:
    assert cause in str(failure_of(output, "3.12", CACHE))


def test_the_messages_of_pip_are_quoted_once_each_without_its_other_output() -> None:
    line = f"Could not fetch URL {URL}: 403 Client Error: Forbidden for url: {URL} - skipping"
    output = f"Looking up in the cache\n{line}\n{line}\n{NOT_FOUND}\n  stack frame\n"
    _, *quoted = str(failure_of(output, "3.12", CACHE)).splitlines()
    assert quoted == [f"  pip: {message}" for message in (line, *NOT_FOUND.strip().splitlines())]


def test_a_yanked_version_is_named_with_its_reason() -> None:
    output = "WARNING: The candidate selected is a yanked version: 'demo' candidate (version 1.0 at /x)\n"
    (warning,) = yanked(f"Saved ./demo-1.0.whl\n{output}Reason for being yanked: broken\n")
    assert "demo==1.0 was yanked from the package index (broken)" in warning


def test_pip_gets_the_settings_of_its_index_and_its_connection_only() -> None:
    config = """:env:.find-links='/wheels /more'
:env:.index-url='https://user:p%40ss@env.example/simple'
:env:.platform='win_amd64'
download.only-binary=':none:'
download.proxy='http://proxy.example'
download.timeout='7'
global.index-url='https://file.example/simple'
global.no-deps='false'
global.proxy='http://other.example'
global.target='/tmp'
install.cert='/of/another/command'"""
    assert source_variables(config) == {
        "PIP_FIND_LINKS": "/wheels /more",
        "PIP_INDEX_URL": "https://user:p%40ss@env.example/simple",
        "PIP_PROXY": "http://proxy.example",
        "PIP_TIMEOUT": "7",
    }
