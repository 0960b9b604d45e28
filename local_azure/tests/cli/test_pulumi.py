"""`python -m local_azure pulumi`: what the CLI gets, with a `pulumi` on PATH that writes it down."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from local_azure.cli.environment import pulumi_environment
from local_azure.cli.pulumi import backend_folder, without_shims
from local_azure.core.store import SUBSCRIPTION_ID, TENANT_ID
from local_azure.core.tokens import DEVELOPER, Tokens, load_key
from local_azure.home import ENVIRONMENT_VARIABLE, PROJECT, Home
from local_azure.run_state import Run
from local_azure.runner.record import Entry, Record, record_file
from tools.pulumi.cli import find

DEADLINE = 60.0
RUN = Run(pid=1, started=0.0, provider_port=1111, gateway_port=2222)

# Writes its words and environment, one line for each call; `wait` says when it is interrupted.
PULUMI = """#!{python}
import json, os, signal, sys, time
if sys.argv[1] == "version":
    sys.exit(print("v3.274.1"))
with open({calls!r}, "a") as calls:
    calls.write(json.dumps({{"words": sys.argv[1:], "env": dict(os.environ), "pid": os.getpid()}}) + "\\n")
if sys.argv[1] == "wait":
    interrupts = []
    signal.signal(signal.SIGINT, lambda *_: interrupts.append(1))
    print("waiting", flush=True)
    while not interrupts:
        time.sleep(0.01)
    time.sleep(0.2)
    print("interrupts:", len(interrupts), flush=True)
    sys.exit(7)
sys.exit(5 if sys.argv[1] == "fail" else 0)
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    yield home
    subprocess.run(
        command("stop"), env=environment(home, tmp_path), cwd=tmp_path, check=False, capture_output=True
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "Pulumi.yaml").write_text("name: demo\nruntime: python\n")
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "pulumi").write_text(PULUMI.format(python=sys.executable, calls=str(tmp_path / "calls")))
    (folder / "pulumi").chmod(0o755)
    return folder


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "local_azure", *words]


def environment(home: Home, path: Path, **more: str) -> dict[str, str]:
    return {
        **os.environ,
        ENVIRONMENT_VARIABLE: str(home.root),
        "PATH": f"{path}:/usr/bin:/bin",
        "PYTHONPATH": str(PROJECT),
        **more,
    }


def calls(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path.parent / "calls").read_text().splitlines()]


def test_pulumi_starts_local_azure_makes_the_stack_and_hands_everything_on(
    home: Home, project: Path, path: Path
) -> None:
    done = subprocess.run(
        command("pulumi", "up", "--yes", "--stack", "local"),
        env=environment(home, path, ARM_CLIENT_SECRET="s", PULUMI_ACCESS_TOKEN="t"),
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert done.returncode == 0, done.stderr
    assert f"Pulumi 3.274.1 ({path}/pulumi), stack local" in done.stderr
    init, up = calls(path)
    assert init["words"] == ["stack", "init", "local", "--non-interactive"]
    assert up["words"] == ["up", "--yes", "--stack", "local"]
    assert up["env"]["PULUMI_BACKEND_URL"] == home.backend.as_uri()
    assert not {"ARM_CLIENT_SECRET", "PULUMI_ACCESS_TOKEN"} & set(up["env"])


@pytest.mark.parametrize(
    ("kind", "given", "words"),
    [
        ("deleting", ["up", "--yes"], ["up", "--yes", "--refresh"]),
        ("deleting", ["preview"], ["preview", "--refresh"]),
        ("deleting", ["up", "--refresh=false"], ["up", "--refresh=false"]),
        ("deleting", ["config", "set", "up", "1"], ["config", "set", "up", "1"]),
        ("creating", ["up", "--yes"], ["up", "--yes"]),
    ],
)
def test_after_a_killed_deletion_the_next_run_looks_at_what_is_left(  # noqa: PLR0917 # fixtures and cases
    home: Home, project: Path, path: Path, kind: str, given: list[str], words: list[str]
) -> None:
    home.prepare()
    state = home.backend / ".pulumi" / "stacks" / "demo" / "local.json"
    state.parent.mkdir(parents=True)
    pending = [{"type": kind, "resource": {"urn": "urn:pulumi:local::demo::a:b:C::site"}}]
    state.write_text(json.dumps({"version": 3, "checkpoint": {"latest": {"pending_operations": pending}}}))
    done = subprocess.run(
        command("pulumi", *given),
        env=environment(home, path),
        cwd=project,
        check=False,
        capture_output=True,
        timeout=DEADLINE,
    )
    assert (done.returncode, calls(path)[-1]["words"]) == (0, words)


def test_the_exit_code_is_pulumis(home: Home, project: Path, path: Path) -> None:
    done = subprocess.run(
        command("pulumi", "fail"), env=environment(home, path), cwd=project, check=False, timeout=DEADLINE
    )
    assert done.returncode == 5


def test_an_interrupt_reaches_pulumi_once_and_is_waited_for(home: Home, project: Path, path: Path) -> None:
    process = subprocess.Popen(
        command("pulumi", "wait"),
        env=environment(home, path),
        cwd=project,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does at Ctrl-C
        output, _ = process.communicate(timeout=DEADLINE)
    assert (process.returncode, output.strip()) == (7, "interrupts: 1")


def test_where_there_is_no_cli_the_message_names_make_pulumi_and_nothing_starts(
    home: Home, project: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        command("pulumi", "up"),
        env=environment(home, tmp_path, PULUMI_HOME=str(tmp_path)),
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    assert (done.returncode, "run `make pulumi`" in done.stderr) == (1, True)
    assert not home.root.exists()


def test_a_stack_of_the_minimal_runner_is_refused_with_the_command_that_helps(
    home: Home, project: Path, path: Path
) -> None:
    home.prepare()
    file = record_file(home, "demo", "local")
    file.parent.mkdir()
    Record(file).note("urn:pulumi:local::demo::azure-native:web:WebApp::app", Entry(id="/made"))

    refused = subprocess.run(
        command("pulumi", "up"),
        env=environment(home, path),
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )

    assert refused.returncode == 1
    assert "the minimal runner made the stack local" in refused.stderr
    assert "`make down`" in refused.stderr


def test_help_is_pulumis_and_starts_nothing(home: Home, project: Path, path: Path) -> None:
    subprocess.run(command("pulumi", "up", "--help"), env=environment(home, path), cwd=project, check=True)
    assert calls(path)[0]["words"] == ["up", "--help"]
    assert not home.root.exists()


def test_the_environment_leads_to_this_local_azure_and_nowhere_else(tmp_path: Path) -> None:
    home = Home(tmp_path)
    inherited = {
        "PATH": "/bin",
        "ARM_CLIENT_ID": "real",
        "ARM_OIDC_TOKEN": "real",
        "AZURE_CLIENT_SECRET": "real",
        "PULUMI_ACCESS_TOKEN": "real",
        "PULUMI_BACKEND_URL": "https://api.pulumi.com",
        "PULUMI_CONFIG_PASSPHRASE_FILE": "/real",
        "HTTPS_PROXY": "http://proxy:1",
        "NO_PROXY": "internal",
    }
    made = pulumi_environment(home, RUN, inherited)
    assert "real" not in made.values()
    assert "/real" not in made.values()
    expected = {
        "PATH": "/bin",
        "HTTPS_PROXY": "http://proxy:1",
        "NO_PROXY": "internal,127.0.0.1,localhost,::1",
        "PULUMI_BACKEND_URL": home.backend.as_uri(),
        "PULUMI_DEBUG_PROVIDERS": "azure-native:1111",
        "PULUMI_HOME": str(home.pulumi_home),
        "ARM_USE_MSI": "true",
        "ARM_SUBSCRIPTION_ID": SUBSCRIPTION_ID,
        "ARM_TENANT_ID": TENANT_ID,
        "ARM_METADATA_HOSTNAME": "127.0.0.1:2222",
        "IDENTITY_ENDPOINT": "https://127.0.0.1:2222/msi/token",
        "REQUESTS_CA_BUNDLE": str(home.ca_bundle_file),
        "SSL_CERT_FILE": str(home.ca_bundle_file),
    }
    assert {name: made.get(name) for name in expected} == expected
    assert Tokens(load_key(home.token_key_file)).owner_of(made["IDENTITY_HEADER"]) == DEVELOPER


def test_a_folder_on_path_that_no_file_can_be_in_is_passed_over(path: Path, tmp_path: Path) -> None:
    """As one that this user may not read: Path.is_file raises OSError for both."""
    folders = [str(tmp_path / ("x" * 300) / "bin"), str(path)]
    cli = find(without_shims({"PATH": ":".join(folders)}))
    assert cli is not None
    assert cli.path == path / "pulumi"


@pytest.mark.parametrize("folder", ["a b", "a#b", "a?b=c", "a%b", "a%20b", "a\\b", "ü", "~", "a;b&c+d"])
def test_any_folder_can_hold_the_state(tmp_path: Path, folder: str) -> None:
    """The CLI's library reads the URL as RFC 3986 says (gocloud.dev fileblob: url.Parse, then its path)."""
    home = Home(tmp_path / folder)
    url = pulumi_environment(home, RUN, {})["PULUMI_BACKEND_URL"]
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("file", "", "", "")
    assert Path(unquote(parts.path)) == backend_folder(url) == home.backend


def test_the_callers_own_backend_is_read_as_the_cli_reads_it() -> None:
    assert backend_folder("file:///a%20b/c?no_tmp_dir=true") == Path("/a b/c")
    assert backend_folder("file://~/c") == Path.home() / "c"


def test_a_stack_that_the_caller_named_stays(tmp_path: Path) -> None:
    assert pulumi_environment(Home(tmp_path), RUN, {"PULUMI_STACK": "mine"})["PULUMI_STACK"] == "mine"
