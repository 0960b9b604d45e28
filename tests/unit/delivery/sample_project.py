"""A small project with one locked dependency, as `delivery.package` builds it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from delivery.lock import source_digest
from delivery.package import PROJECT_ROOT, zip_bytes
from delivery.syntax import VERSION as OWN_PYTHON  # its syntax is checked without another process

WHEEL = "demo-1.0-py3-none-any.whl"
WHEEL_FILES = {
    "demo/__init__.py": b"VALUE = 1\n",
    "demo/__pycache__/__init__.cpython-312.pyc": b"stale",
    "demo-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n",
    "demo-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "demo-1.0.dist-info/RECORD": b"",
    "demo-1.0.data/scripts/demo": b"#!python\n",
    "demo-1.0.data/platlib/demo/_speedups.so": b"\x7fELF",
}
NPM_LOCK = b'{"packages": {"": {}, "node_modules/demo": {"integrity": "sha512-AAAA"}}}'
APP_FILES = {
    "function_app.py": b"import demo\n",
    "host.json": b"{}\n",
    "assistants/__init__.py": b"",
    "assistants/create.py": b"# create\n",
    "assistants/sub/deep.py": b"# deep\n",
    "assistants/page/package.json": b'{"files": ["node_modules/demo/demo.js"]}',
    "assistants/page/package-lock.json": NPM_LOCK,
}
# Not the file beside it, which `files` does not name.
NPM_FILES = {"assistants/page/node_modules/demo/demo.js": b"// demo\n"}
NOT_PACKAGED = {
    "local.settings.json": b'{"Values": {"SECRET": "x"}}',
    "local.settings.example.json": b"{}",
    "requirements.in": b"demo\n",
    "assistants/page/node_modules/.package-lock.json": NPM_LOCK,
    "assistants/page/node_modules/demo/other.js": b"// other\n",
    "assistants/__pycache__/create.cpython-312.pyc": b"stale",
    ".venv/lib/site.py": b"x",
    ".funcignore": (PROJECT_ROOT / "function_app" / ".funcignore").read_bytes(),
}


def project(root: Path, wheels: Mapping[str, bytes] | None = None, *, cached: bool = True) -> Path:
    """`wheels`: content by file name, in the order of the lock; `cached`: they are in the project's cache."""
    wheels = {WHEEL: zip_bytes(WHEEL_FILES)} if wheels is None else wheels
    for name, data in {**APP_FILES, **NPM_FILES, **NOT_PACKAGED}.items():
        write(root / "function_app" / name, data)
    digest = source_digest(root / "function_app" / "requirements.in")
    lines = [f"#    make lock (from requirements.in, sha256 {digest})"]
    for name, data in wheels.items():
        specifier = "==".join(name.split("-")[:2])
        lines += [f"{specifier} \\", f"    --hash=sha256:{hashlib.sha256(data).hexdigest()}", "    # via x"]
        if cached:
            write(cache(root) / name, data)
    write(root / "function_app" / "requirements.txt", "\n".join(lines).encode())
    return root


def cache(root: Path) -> Path:
    return root / ".build" / "wheels" / f"cp{OWN_PYTHON.replace('.', '')}"


def write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def zip_of(root: Path) -> bytes:
    return (root / ".build" / "function_app.zip").read_bytes()
