"""What a host tells about itself: one file that the daemon reads, and the answer of /admin/host/status."""

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from local_azure import process_ids

VERSION = "4.1037.0.0"
"""The host whose behaviour this one follows."""

State = Literal["Default", "Starting", "Running", "Error", "Offline"]


@dataclass(frozen=True)
class HostRecord:
    """`serving` is False for a host whose new package is bad: it takes no requests."""

    pid: int
    state: State
    serving: bool
    started: float
    """Seconds since 1970."""
    instance_id: str
    site: str
    deployment: str | None = None
    functions: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    bundle_id: str | None = None
    bundle_version: str | None = None


def write(file: Path, record: HostRecord) -> None:
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    temporary.write_text(json.dumps(asdict(record)))
    temporary.replace(file)


def read(file: Path) -> HostRecord | None:
    """The record of a host that runs now; None when it has not got so far or is gone."""
    try:
        content = cast("dict[str, Any]", json.loads(file.read_text()))
    except (FileNotFoundError, ValueError):
        return None
    for name in ("functions", "errors", "notices"):
        content[name] = tuple(content[name])
    record = HostRecord(**content)
    return record if process_ids.runs(record.pid) else None


def host_status(record: HostRecord) -> dict[str, object]:
    """The answer of /admin/host/status.

    It names the reason of a host that did not start. An app that cannot be indexed
    and a function in error leave no trace in it: their routes are 404, and that is all.
    """
    status: dict[str, object] = {
        "id": record.site,
        "state": record.state,
        "version": VERSION,
        "versionDetails": f"{VERSION} local-azure",
        "platformVersion": "local-azure",
        "instanceId": record.instance_id,
        "computerName": os.uname().nodename,
        "processUptime": int((time.time() - record.started) * 1000),
        "functionAppContentEditingState": "NotAllowed",
    }
    if record.bundle_id:
        status["extensionBundle"] = {"id": record.bundle_id, "version": record.bundle_version}
    if record.state == "Error":
        status["errors"] = [*record.errors]
    return status


def explained(record: HostRecord) -> dict[str, object]:
    """`host_status` with every reason, for the developer: `pulumi up` reads it of Resource Manager."""
    status = {**host_status(record), "errors": [*record.errors]}
    return {**status, "notices": [*record.notices]} if record.notices else status


def offline(site: str) -> dict[str, object]:
    return {"id": site, "state": "Offline", "errors": [], "version": VERSION}
