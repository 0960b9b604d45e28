"""The configuration that the daemon passes to a host process, as a file."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from local_azure.functions_host.cors import Cors


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
    status_file: str
    keys_file: str
    certificate: str
    certificate_key: str
    python: str
    notices: tuple[str, ...] = ()
    cors: Cors = field(default_factory=Cors)


def write(file: Path, config: HostConfig) -> None:
    file.write_text(json.dumps(asdict(config)))


def read(file: Path) -> HostConfig:
    content = cast("dict[str, Any]", json.loads(file.read_text()))
    cors = content["cors"]
    content["cors"] = Cors(tuple(cors["allowed_origins"]), cors["support_credentials"])
    content["notices"] = tuple(content["notices"])
    return HostConfig(**content)
