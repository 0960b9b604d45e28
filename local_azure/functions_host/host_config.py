"""What the daemon tells a host at its start, in one file beside the host's status."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from local_azure.functions_host.cors import Cors


@dataclass(frozen=True)
class HostConfig:
    """No secret is in it: app settings travel as the process's environment, keys stay in their own file."""

    site: str
    socket: int
    """Number of the inherited, listening socket."""
    deployment: str | None
    """Id of the deployment to run; None for a site that has no code yet."""
    code: str | None
    active_file: str
    """Names the deployment that the site has accepted."""
    status_file: str
    keys_file: str
    certificate: str
    certificate_key: str
    python: str
    notices: tuple[str, ...] = ()
    cors: Cors = field(default_factory=Cors)
    raw_routes: bool = False
    """Route constraints are off: what the extension does with any id can be seen."""


def write(file: Path, config: HostConfig) -> None:
    file.write_text(json.dumps(asdict(config)))


def read(file: Path) -> HostConfig:
    content = cast("dict[str, Any]", json.loads(file.read_text()))
    cors = content["cors"]
    content["cors"] = Cors(tuple(cors["allowed_origins"]), cors["support_credentials"])
    content["notices"] = tuple(content["notices"])
    return HostConfig(**content)
