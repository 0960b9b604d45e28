"""States that leave a stack, come into one, or are edited in place.

Everything that is written is written under the stack's lock, and only after the whole of it has been checked.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

from local_azure.engine import locks
from local_azure.engine.crypto import Crypter, passphrase
from local_azure.engine.session import Stack
from local_azure.engine.state import (
    SCHEMA_VERSIONS,
    Json,
    Snapshot,
    StateError,
    deployment_of,
    from_json,
    opened_with,
    read_snapshot,
    salt_of,
    sealed_with,
    to_json,
    write_checkpoint,
)
from local_azure.engine.values import SECRET, SIG, Value, is_secret, reveal


def exported(stack: Stack, *, show_secrets: bool) -> Json:
    """What `stack export` prints: `{"version": 3, "deployment": {…}}`. Secrets are sealed unless shown."""
    checkpoint = stack.load()
    deployment = deployment_of(checkpoint)
    if show_secrets and (salt := salt_of(deployment)):
        open_ = opened_with(Crypter.unlock(passphrase(dict(stack.environment)), salt))
        snapshot = read_snapshot(deployment, open_)
        deployment = {**deployment, **_written(snapshot, _in_clear)}
    return {"version": checkpoint["version"], "deployment": deployment}


def _written(snapshot: Snapshot, seal: Callable[[Value], Value]) -> Json:
    found: Json = {}
    if snapshot.resources:
        found["resources"] = [to_json(resource, seal) for resource in snapshot.resources]
    if snapshot.operations:
        found["pending_operations"] = [
            {"resource": to_json(operation.resource, seal), "type": operation.kind}
            for operation in snapshot.operations
        ]
    return found


def _in_clear(value: Value) -> Value:
    """A secret as the CLI exports it with --show-secrets: its JSON in `plaintext`."""
    if isinstance(value, list):
        return [_in_clear(item) for item in value]
    if isinstance(value, dict):
        if is_secret(value):
            return {SIG: SECRET, "plaintext": json.dumps(reveal(value), separators=(",", ":"))}
        return {key: _in_clear(item) for key, item in value.items()}
    return value


def take(stack: Stack, found: Any, source: str, *, force: bool) -> None:
    """Replaces the stack's state. Raises StateError, with every reason, before anything is written.

    `force` passes over what is wrong with the content, never over what cannot be read.
    """
    deployment = _read(found, source)
    problems = list(_problems(deployment, stack))
    if problems and not force:
        lines = "".join(f"\n  * {problem}" for problem in problems)
        raise StateError(
            f"importing {source} could be dangerous; rerun with --force to proceed anyway:{lines}"
        )
    phrase = passphrase(dict(stack.environment))
    salt = salt_of(deployment)
    crypter = Crypter.unlock(phrase, salt) if salt else Crypter.create(phrase)
    snapshot = read_snapshot(deployment, opened_with(crypter))
    with locks.locked(stack.backend.folder, stack.project.name, stack.name):
        checkpoint = write_checkpoint(stack.qualified, snapshot, crypter.salt, sealed_with(crypter))
        stack.backend.save(stack.project.name, stack.name, checkpoint)


def _read(found: Any, source: str) -> Json:
    content: Json = cast(Json, found) if isinstance(found, dict) else {}
    deployment: Any = content.get("deployment")
    if content.get("version") not in SCHEMA_VERSIONS or content.get("features"):
        raise StateError(
            f"{source}: schema version {content.get('version')!r} is none that the embedded engine keeps "
            f"whole ({', '.join(map(str, SCHEMA_VERSIONS))}): export it anew"
        )
    resources: Any = cast(Json, deployment).get("resources") or [] if isinstance(deployment, dict) else None
    if not isinstance(resources, list) or not all(
        isinstance(item, dict) and {"urn", "type"} <= cast(Json, item).keys()
        for item in cast("list[Any]", resources)
    ):
        raise StateError(f"{source} is no exported state: it has no `deployment` with `resources`")
    return cast(Json, deployment)


def _problems(deployment: Json, stack: Stack) -> Iterator[str]:
    known: set[str] = set()
    for item in deployment.get("resources") or ():
        resource = from_json(item, lambda value: value)
        where = resource.urn.removeprefix("urn:pulumi:").partition("::")[0]
        if where != stack.name:
            yield f"resource '{resource.urn}' is from a different stack ({where} != {stack.name})"
        for needed in sorted(resource.needs() - known):
            yield f"resource {resource.urn} refers to {needed}, which does not stand before it"
        known.add(resource.urn)


def unprotect(stack: Stack, urns: Sequence[str] | None) -> int:
    """Takes the protection from these resources (None: from all); their number. Raises StateError."""
    with locks.locked(stack.backend.folder, stack.project.name, stack.name):
        checkpoint = stack.load()
        resources: list[Json] = deployment_of(checkpoint).get("resources") or []
        living = {item["urn"]: item for item in resources if not item.get("delete")}
        wanted = list(living) if urns is None else list(dict.fromkeys(urns))
        if missing := [urn for urn in wanted if urn not in living]:
            lines = "\n".join(f'No such resource "{urn}" exists in the current state' for urn in missing)
            raise StateError(
                f"{lines}\nNothing was changed. The URNs: `pulumi stack --show-urns --stack {stack.name}`"
            )
        for urn in wanted:
            living[urn].pop("protect", None)
        stack.backend.save(stack.project.name, stack.name, checkpoint)
    return len(wanted)
