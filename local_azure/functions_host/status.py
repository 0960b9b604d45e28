"""The status of a host: a file that the daemon reads, and the response of /admin/host/status."""

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from local_azure import process_ids, whole_file

VERSION = "4.1037.0.0"
"""The version of the Functions host that local Azure emulates."""

State = Literal["Default", "Starting", "Running", "Error", "Offline"]


@dataclass(frozen=True)
class HostRecord:
    """`serving` is False for a host with a broken new package, which accepts no requests."""

    pid: int
    state: State
    serving: bool
    started: float
    """Seconds since 1970."""
    instance_id: str
    site: str
    deployment: str | None = None
    functions: Sequence[str] = ()
    errors: Sequence[str] = ()
    notices: Sequence[str] = ()
    bundle_id: str | None = None
    bundle_version: str | None = None


def write(file: Path, record: HostRecord) -> None:
    whole_file.write(file, json.dumps(asdict(record)).encode(), 0o600)


def read(file: Path) -> HostRecord | None:
    """The record of a running host; None before it is written and after the host has ended."""
    try:
        record = HostRecord(**json.loads(file.read_text()))
    except FileNotFoundError:
        return None
    return record if process_ids.runs(record.pid) else None


def host_status(record: HostRecord) -> dict[str, object]:
    """The response of /admin/host/status.

    Contains the errors of a host that did not start, but not those of an app that cannot be indexed or of
    a function: their routes return 404.
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


def detailed_status(record: HostRecord) -> dict[str, object]:
    """`host_status` with all errors and notices, which `pulumi up` reads through Resource Manager."""
    status = {**host_status(record), "errors": [*record.errors]}
    return {**status, "notices": [*record.notices]} if record.notices else status


def offline_status(site: str) -> dict[str, object]:
    return {"id": site, "state": "Offline", "errors": [], "version": VERSION}
