"""What the daemon and a host process exchange as files: the configuration, and the state of the host."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from local_azure import process_ids, whole_file

VERSION = "4.1037.0.0"
"""The version of the Functions host that local Azure emulates."""


@dataclass(frozen=True)
class Cors:
    """`properties.siteConfig.cors` of a site, which on Flex Consumption the platform handles."""

    allowed_origins: Sequence[str] = ()
    support_credentials: bool = False

    def preflight(self, method: str, headers: Mapping[str, str]) -> dict[str, str] | None:
        """The headers of the 204 response to a preflight request; None for any other request.

        A preflight request of an origin that is not allowed gets a 204 without headers.
        """
        requested_method = headers.get("Access-Control-Request-Method")
        if not self.allowed_origins or method != "OPTIONS" or not requested_method or "Origin" not in headers:
            return None
        allowed = self.response_headers(headers)
        if allowed:
            allowed["Access-Control-Allow-Methods"] = requested_method
            if requested_headers := headers.get("Access-Control-Request-Headers"):
                allowed["Access-Control-Allow-Headers"] = requested_headers
        return allowed

    def response_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        origin = headers.get("Origin")
        if not origin:
            return {}
        if "*" in self.allowed_origins:
            return {"Access-Control-Allow-Origin": "*"}
        if origin.lower() not in (allowed.lower().rstrip("/") for allowed in self.allowed_origins):
            return {}
        credentials = {"Access-Control-Allow-Credentials": "true"} if self.support_credentials else {}
        return {"Access-Control-Allow-Origin": origin, "Vary": "Origin", **credentials}


@dataclass(frozen=True)
class HostConfig:
    """Contains no secret: app settings are in the process's environment, keys in a file of their own."""

    site: str
    socket: int
    """File descriptor of the inherited listening socket."""
    deployment: str | None
    """Id of the deployment to run; None for a site without code."""
    code: str | None
    active_file: str
    """Contains the id of the site's active deployment."""
    keys_file: str
    certificate: str
    certificate_key: str
    python: str
    notices: Sequence[str] = ()
    cors: Cors = field(default_factory=Cors)


def write_config(file: Path, config: HostConfig) -> None:
    file.write_text(json.dumps(asdict(config)))


def read_config(file: Path) -> HostConfig:
    content = cast("dict[str, Any]", json.loads(file.read_text()))
    content["cors"] = Cors(**content["cors"])
    return HostConfig(**content)


@dataclass(frozen=True)
class HostRecord:
    """The state of a host, `Offline` while none runs."""

    site: str
    state: Literal["Starting", "Running", "Error", "Offline"] = "Offline"
    pid: int = 0
    serving: bool = False
    """False for a host with a broken new package, which accepts no requests."""
    started: float = field(default_factory=time.time)
    """Seconds since 1970."""
    instance_id: str = ""
    functions: Sequence[str] = ()
    errors: Sequence[str] = ()
    notices: Sequence[str] = ()
    bundle: dict[str, str] | None = None
    """`id` and `version`."""

    def to_status(self) -> dict[str, object]:
        """The response of /admin/host/status.

        Contains the errors of a host that did not start, but not those of an app that cannot be indexed or
        of a function: their routes return 404.
        """
        return {
            "id": self.site,
            "state": self.state,
            "version": VERSION,
            "versionDetails": f"{VERSION} local-azure",
            "platformVersion": "local-azure",
            "instanceId": self.instance_id,
            "computerName": os.uname().nodename,
            "processUptime": int((time.time() - self.started) * 1000),
            "functionAppContentEditingState": "NotAllowed",
            **({"extensionBundle": self.bundle} if self.bundle else {}),
            **({"errors": [*self.errors]} if self.state == "Error" else {}),
        }


def write_record(config_file: Path, record: HostRecord) -> None:
    whole_file.write(_record_file(config_file), json.dumps(asdict(record)).encode(), 0o600)


def read_record(config_file: Path) -> HostRecord | None:
    """The record of a running host; None before it is written and after the host has ended."""
    try:
        record = HostRecord(**json.loads(_record_file(config_file).read_text()))
    except FileNotFoundError:
        return None
    return record if process_ids.runs(record.pid) else None


def _record_file(config_file: Path) -> Path:
    return config_file.with_suffix(".status.json")
