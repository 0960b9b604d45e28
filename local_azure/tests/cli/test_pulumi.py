"""`python -m local_azure pulumi`: what the CLI gets."""

import json
import os
import signal
import subprocess
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from local_azure.cli.environment import pulumi_environment
from local_azure.cli.pulumi import backend_folder, without_shims
from local_azure.core.store import SUBSCRIPTION_ID, TENANT_ID
from local_azure.core.tokens import DEVELOPER, Tokens, load_key
from local_azure.home import Home
from local_azure.run_state import Run
from local_azure.runner.record import Entry, Record, record_file
from local_azure.tests.cli.conftest import COMMAND, DEADLINE, bad, calls, cli, environment, good, state_file
from tools.pulumi import typed
from tools.pulumi.cli import find

RUN = Run(pid=1, started=0.0, provider_port=1111, gateway_port=2222)


def test_pulumi_starts_local_azure_creates_the_stack_and_passes_everything_on(
    home: Home, project: Path, pulumi: Path
) -> None:
    env = environment(home, pulumi)
    done = cli(home, "pulumi", "up", "--yes", "--stack", "local", env=env, folder=project)
    good(done)
    assert f"Pulumi 3.274.1 ({pulumi}/pulumi), stack local" in done.stderr
    init, up = calls(pulumi)
    assert init["words"] == ["stack", "init", "local", "--non-interactive"]
    assert up["words"] == ["up", "--yes", "--stack", "local"]
    assert up["env"]["PULUMI_BACKEND_URL"] == home.backend.as_uri()


@pytest.mark.parametrize(
    ("pending", "given", "words"),
    [
        ("deleting", ["up", "--yes"], ["up", "--yes", "--refresh"]),
        ("deleting", ["preview"], ["preview", "--refresh"]),
        ("deleting", ["up", "--refresh=false"], ["up", "--refresh=false"]),
        ("deleting", ["config", "set", "up", "1"], ["config", "set", "up", "1"]),
        ("creating", ["up", "--yes"], ["up", "--yes"]),
    ],
)
def test_after_a_killed_deletion_the_next_run_refreshes(  # noqa: PLR0917 # fixtures and cases
    shared_home: Home, project: Path, pulumi: Path, pending: str, given: list[str], words: list[str]
) -> None:
    shared_home.prepare()
    operations = [{"type": pending, "resource": {"urn": "urn:pulumi:local::demo::a:b:C::site"}}]
    state = {"version": 3, "checkpoint": {"latest": {"pending_operations": operations}}}
    state_file(shared_home.backend, "local").write_text(json.dumps(state))
    good(cli(shared_home, "pulumi", *given, env=environment(shared_home, pulumi), folder=project))
    assert calls(pulumi)[-1]["words"] == words


def test_an_interrupt_reaches_pulumi_once_and_the_exit_code_is_pulumis(
    shared_home: Home, project: Path, pulumi: Path
) -> None:
    env = environment(shared_home, pulumi)
    process = subprocess.Popen(
        [*COMMAND, "pulumi", "wait"],
        env=env,
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


def test_without_a_cli_the_message_names_make_pulumi_and_nothing_starts(home: Home, project: Path) -> None:
    assert "run `make pulumi`" in bad(cli(home, "pulumi", "up", folder=project))
    assert not home.root.exists()


def test_a_stack_of_the_minimal_runner_is_rejected_with_the_command_that_helps(
    shared_home: Home, project: Path, pulumi: Path
) -> None:
    shared_home.prepare()
    file = record_file(shared_home, "demo", "local")
    file.parent.mkdir()
    Record(file).note("urn:pulumi:local::demo::azure-native:web:WebApp::app", Entry(id="/made"))
    try:
        env = environment(shared_home, pulumi)
        messages = [
            bad(cli(shared_home, "pulumi", *words, env=env, folder=project))
            for words in (["up"], ["stack", "output"])
        ]
    finally:
        file.unlink()
    for message in messages:
        assert "the minimal runner made the stack local" in message
        assert "`make down`" in message


def test_help_is_pulumis_and_starts_nothing(home: Home, project: Path, pulumi: Path) -> None:
    good(cli(home, "pulumi", "up", "--help", env=environment(home, pulumi), folder=project))
    assert calls(pulumi)[0]["words"] == ["up", "--help"]
    assert not home.root.exists()


def test_the_environment_names_this_local_azure_and_nothing_else(tmp_path: Path) -> None:
    home = Home(tmp_path)
    inherited = {
        "PATH": "/bin",
        "ARM_CLIENT_ID": "real",
        "ARM_OIDC_TOKEN": "real",
        "AZURE_CLIENT_SECRET": "real",
        "PULUMI_ACCESS_TOKEN": "real",
        "PULUMI_BACKEND_URL": "https://api.pulumi.com",
        "PULUMI_CONFIG_PASSPHRASE_FILE": "real",
        "PULUMI_STACK": "mine",
        "HTTPS_PROXY": "http://proxy:1",
        "NO_PROXY": "internal",
    }
    made = pulumi_environment(home, RUN, inherited)
    assert "real" not in made.values()
    assert pulumi_environment(home, RUN, {typed.VARIABLE: ""})[typed.VARIABLE] == "", "ops preview sets it"
    expected = {
        "PATH": "/bin",
        "HTTPS_PROXY": "http://proxy:1",
        "NO_PROXY": "internal,127.0.0.1,localhost,::1",
        "PULUMI_BACKEND_URL": home.backend.as_uri(),
        "PULUMI_DEBUG_PROVIDERS": "azure-native:1111",
        typed.VARIABLE: typed.LOCAL_AZURE,
        "PULUMI_HOME": str(home.pulumi_home),
        "PULUMI_STACK": "mine",
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


def test_a_folder_on_path_that_cannot_exist_is_skipped(pulumi: Path, tmp_path: Path) -> None:
    """As one that this user may not read: Path.is_file raises OSError for both."""
    folders = [str(tmp_path / ("x" * 300) / "bin"), str(pulumi)]
    cli = find(without_shims({"PATH": ":".join(folders)}))
    assert cli is not None
    assert cli.path == pulumi / "pulumi"


@pytest.mark.parametrize("folder", ["a b", "a#b", "a?b=c", "a%b", "a%20b", "a\\b", "ü", "~", "a;b&c+d"])
def test_any_folder_can_hold_the_state(tmp_path: Path, folder: str) -> None:
    """The CLI's library reads the URL as RFC 3986 says (gocloud.dev fileblob: url.Parse, then its path)."""
    home = Home(tmp_path / folder)
    url = pulumi_environment(home, RUN, {})["PULUMI_BACKEND_URL"]
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("file", "", "", "")
    assert Path(unquote(parts.path)) == backend_folder(url) == home.backend


def test_the_users_own_backend_is_read_as_the_cli_reads_it() -> None:
    assert backend_folder("file:///a%20b/c?no_tmp_dir=true") == Path("/a b/c")
    assert backend_folder("file://~/c") == Path.home() / "c"
