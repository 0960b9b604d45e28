"""The reasons of pip's failures, and the settings of this machine that pip gets."""

from pathlib import Path

import pytest

from delivery.lock import Requirement
from delivery.wheels import failure_of, source_variables, yanked

DEMO = Requirement("demo==1.0", frozenset({"0" * 64}))
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


def skipped(reason: str, file: str) -> str:
    return f"  {reason}: http://index.example/f/{file} (from {URL}){NOT_FOUND}"


# The lines of pip's own output: of 23.2.1, or of 26.3 where a comment says so. Hosts are replaced.
GENERAL = [
    ("/venv/bin/python: No module named pip", "has no pip. Run `"),
    ("OSError: [Errno 28] No space left on device: '/tmp/a.whl' -> '/b/a.whl'", "the disk is full"),
    ("ERROR: Could not install packages due to an OSError: [Errno 122] Disk quota exceeded", "disk is full"),
    ("PermissionError: [Errno 13] Permission denied: '/tmp/x'", "pip may not write"),
    (fetch(f"connection error: {POOL} (Caused by ProxyError('Cannot connect to proxy.', x))"), "the proxy"),
    (fetch("proxy connection error: ('Unable to connect to proxy', x)"), "the proxy refuses"),  # 26.3
    (fetch("There was a problem confirming the ssl certificate: x"), "is not trusted. Set PIP_CERT"),
    ("OSError: Could not find a suitable TLS CA certificate bundle, invalid path: /x", "PIP_CERT"),
    (fetch(f"401 Client Error: Unauthorized for url: {URL}"), "refuses these credentials"),
    (fetch(f"{POOL} (Caused by ResponseError('too many 503 error responses'))"), "an error or is overloaded"),
    (fetch(f"429 Client Error: Too Many Requests for url: {URL}"), "an error or is overloaded"),
    (fetch(f"connection error: {POOL} (Caused by NewConnectionError('x'))"), "cannot be reached, and /pro"),
    (fetch("connection error: [Errno 111] Connection refused"), "cannot be reached"),  # 26.3
    ("WARNING: Attempting to resume incomplete download (5 bytes/9 bytes, attempt 2)", "reached"),  # 26.3
    (f"WARNING: Skipping page {URL} because the GET request got Content-Type: application/json. The only "
     f"supported Content-Types are text/html{NOT_FOUND}", "is not a package index"),
    (f'WARNING: The index url "x" seems invalid, please provide a scheme.{NOT_FOUND}', "not a package index"),
]  # fmt: skip
OF_THIS_WHEEL = [
    ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", "is not the file that"),
    (skipped("Skipping link: none of the wheel's tags (cp313-x) are compatible", "demo-1.0-cp313-x.whl"),
     "no wheel for CPython 3.12 on Linux x86_64"),
    (skipped("Skipping link: No sources permitted for demo", "demo-1.0.tar.gz"), "no wheel for"),
    (skipped("Link requires a different Python (3.12.0 not in: '>=3.13')", "demo-1.0-py3-none-any.whl"),
     "no wheel for"),
    (skipped("Skipping link: none of the wheel's tags (cp313-x) are compatible", "demo-1.0.1-cp313-x.whl"),
     "the package index does not have it"),
    (NOT_FOUND.replace("none", "0.9, 1.1"), "has other versions, but not this one"),
    (fetch(f"404 Client Error: Not Found for url: {URL}"), "does not have it. Correct PIP_INDEX_URL"),
    (RETRY + NOT_FOUND, "does not have it"),
    ("ERROR: something new", "pip failed.\n  pip: ERROR: something new"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("output", "reason", "general"),
    [*((*case, True) for case in GENERAL), *((*case, False) for case in OF_THIS_WHEEL)],
)
def test_the_reason_of_a_failure_comes_from_pips_output(output: str, reason: str, general: bool) -> None:
    error = failure_of(output, DEMO, "3.12", CACHE)
    assert str(error).startswith("demo==1.0: ")
    assert reason in str(error)
    assert error.general is general


def test_the_line_that_matches_the_reason_is_quoted_first() -> None:
    line = f"Could not fetch URL {URL}: 403 Client Error: Forbidden for url: {URL} - skipping"
    _, *quoted = str(failure_of(f"{NOT_FOUND}{line}\n", DEMO, "3.12", CACHE)).splitlines()
    assert quoted == [f"  pip: {line}", f"  pip: {NOT_FOUND.splitlines()[1]}"]


@pytest.mark.parametrize(
    ("output", "message"),
    [("", "demo==1.0: pip failed."), ("a\nb\n\nc\n", "demo==1.0: pip failed.\n  pip: b\n  pip: c")],
)
def test_an_unknown_failure_quotes_the_last_lines(output: str, message: str) -> None:
    assert str(failure_of(output, DEMO, "3.12", CACHE)) == message


def test_a_yanked_version_is_named_with_its_reason() -> None:
    output = "WARNING: The candidate selected for download or install is a yanked version: 'demo'\n"
    assert yanked("Saved ./demo-1.0-py3-none-any.whl", DEMO) == ""
    assert "demo==1.0 was yanked from the package index (broken)" in yanked(
        f"{output}Reason for being yanked: broken\n", DEMO
    )
    assert "(no reason given)" in yanked(output, DEMO)


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
