"""The keys of a function app: made once for each site, in a file that only its owner reads."""

import hmac
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast


@dataclass(frozen=True)
class HostKeys:
    """`master` opens everything; `default` is the host-level function key."""

    master: str
    default: str

    def opens(self, key: str | None, auth_level: str) -> bool:
        """Whether the key is enough for `anonymous`, `function` or `admin` (any case)."""
        level = auth_level.lower()
        if level == "anonymous":
            return True
        if key is None:
            return False
        given = key.encode("utf-8", "replace")
        is_master = hmac.compare_digest(given, self.master.encode())
        is_function = hmac.compare_digest(given, self.default.encode())
        return is_master or (level == "function" and is_function)


def load_or_create(file: Path) -> HostKeys:
    if file.exists():
        content = cast("dict[str, Any]", json.loads(file.read_text()))
        return HostKeys(str(content["master"]), str(content["default"]))
    keys = HostKeys(secrets.token_urlsafe(40), secrets.token_urlsafe(40))
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as output:
        json.dump(asdict(keys), output)
    return keys
