"""The language host of tools/pulumi, called as the CLI calls it."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import psutil
import pytest
from pulumi.runtime.proto import language_pb2 as pb
from pulumi.runtime.proto.language_pb2_grpc import LanguageRuntimeStub

from tests.polling import wait_for
from tools.pulumi.build import HERE, HOST_FILES
from tools.pulumi.cli import PROJECT

DEADLINE = 60.0


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[bytes]"]:
    """It runs in a folder of its own, with an executor that is a script of sh: the program's entry point."""
    monkeypatch.setenv("PULUMI_LANGUAGE_HOST_PYTHON", sys.executable)
    for name in HOST_FILES:
        shutil.copy(HERE / name, tmp_path)
    (tmp_path / "pulumi-language-python-exec").write_text(
        "import os, sys\nos.execvp('sh', ['sh', '-c', sys.argv[-1]])\n"
    )
    with subprocess.Popen(
        ["sh", tmp_path / "pulumi-language-python", "127.0.0.1:1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        yield process
        process.kill()


@pytest.fixture
def stub(host: "subprocess.Popen[bytes]") -> Iterator[Any]:
    assert host.stdout is not None
    with grpc.insecure_channel(f"127.0.0.1:{int(host.stdout.readline())}") as channel:
        yield LanguageRuntimeStub(channel)


def info(folder: Path, entry_point: str = "", virtualenv: Path = PROJECT / ".venv") -> pb.ProgramInfo:
    program = pb.ProgramInfo(
        root_directory=str(folder), program_directory=str(folder), entry_point=entry_point
    )
    program.options.update({"virtualenv": str(virtualenv)})
    return program


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("""[ "$PULUMI_CONFIG" = '{"a:b": "c"}' ]""", pb.RunResponse()),
        ("exit 32", pb.RunResponse(bail=True)),  # the executor has reported the error
        ("exit 7", pb.RunResponse(error="Program exited with non-zero exit code: 7")),
        ("kill -9 $$", pb.RunResponse(error="Program was killed by signal 9")),
    ],
)
def test_the_end_of_a_program_is_reported(
    stub: Any, tmp_path: Path, script: str, expected: pb.RunResponse
) -> None:
    request = pb.RunRequest(info=info(tmp_path, script), pwd=str(tmp_path), config={"a:b": "c"})
    assert stub.Run(request) == expected


def test_a_program_ends_with_the_cli(host: "subprocess.Popen[bytes]", stub: Any, tmp_path: Path) -> None:
    script = f"echo $$ > {tmp_path}/new; mv {tmp_path}/new {tmp_path}/pid; exec sleep 60"
    call = stub.Run.future(pb.RunRequest(info=info(tmp_path, script), pwd=str(tmp_path)))
    wait_for((tmp_path / "pid").exists, "the start of the program", DEADLINE)
    program = psutil.Process(int((tmp_path / "pid").read_text()))

    assert host.stdin is not None
    host.stdin.close()  # as when the CLI was killed

    wait_for(lambda: not program.is_running(), "the end of the program", DEADLINE)
    assert host.wait(DEADLINE) == 0
    call.cancel()


def test_a_missing_virtual_environment_is_named_with_what_creates_it(stub: Any, tmp_path: Path) -> None:
    request = pb.AboutRequest(info=info(tmp_path, virtualenv=tmp_path / "missing"))
    with pytest.raises(grpc.RpcError, match=f"'virtualenv' names {tmp_path}/missing(.|\n)*make setup"):
        stub.About(request)


def test_the_dependencies_are_installed_into_a_new_virtual_environment(stub: Any, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("# nothing\n")
    list(
        stub.InstallDependencies(
            pb.InstallDependenciesRequest(info=info(tmp_path, virtualenv=tmp_path / "v"))
        )
    )
    assert (tmp_path / "v" / "bin" / "python").exists()


def test_a_python_without_the_sdk_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-S", HERE / "language_host.py"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "cannot run the Python language host" in done.stderr
    assert "PULUMI_LANGUAGE_HOST_PYTHON" in done.stderr
    assert "Traceback" not in done.stderr
