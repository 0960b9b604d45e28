"""The deployed code as a resource: its inputs are the site and the package's hash.

azure-native has no resource that deploys code, so this one is dynamic. The modules that send requests to
Azure are imported only when needed, since every preview imports this module.
"""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from pulumi import Input, Output, ResourceOptions
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, Resource, UpdateResult
from pulumi.output import Unknown

from delivery.package import PROJECT_ROOT, PUSH_AGAIN_VARIABLE, PackageError, content_hash, summary
from infra.dynamic.support import Provider, plain_failure, recorded, say

if TYPE_CHECKING:
    from delivery.publish import Publisher

# Inputs whose change makes `up` deploy again. The hosts are included because a site that is recreated outside
# Pulumi keeps its id but may get other hosts; the package's path has no effect on its content.
_REDEPLOYING = ("package_hash", "python_version", "site_host", "scm_host")


class DeployedCode(Resource, module="infra", name="DeployedCode"):
    """The package that runs on a site.

    It is up to date if the site reports the package's hash. Destroying it does nothing, since the code is
    deleted with the site.
    """

    package_hash: Output[str]

    def __init__(
        self,
        name: str,
        *,
        site_id: Input[str],
        scm_host: Input[str],
        site_host: Input[str],
        package_path: str,
        package_hash: str,
        python_version: str,
        opts: ResourceOptions | None = None,
    ) -> None:
        """Deploy a package.

        `site_id` is the site's ARM id; the hosts are its default and its Repository host name,
        as ARM gives them; `package_path` is relative to the project root.
        """
        inputs = {
            "site_id": site_id,
            "scm_host": scm_host,
            "site_host": site_host,
            "package_path": package_path,
            "package_hash": package_hash,
            "python_version": python_version,
        }
        super().__init__(DeployedCodeProvider(), name, inputs, opts)


class DeployedCodeProvider(Provider):
    """Runs in Pulumi's process for dynamic providers, whose stderr the CLI prints."""

    def diff(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> DiffResult:
        # The id is unknown if the site will be replaced: with such inputs the engine asks whether dependent
        # resources are replaced too. The new site has the same id, and needs the code.
        if _news["site_id"] != _olds["site_id"]:
            return DiffResult(changes=True, replaces=["site_id"])
        before, after = _olds.get("python_version"), _news["python_version"]
        if before and before != after:
            # Azure cannot change the Python version and the package in one step.
            say(
                f"The function app changes from Python {before} to {after} first, and gets the package for "
                f"{after} after that. In between, usually for less than two minutes, it runs the package for "
                f"{before}: if a compiled library fails to import, every request gets 404. If `up` fails in "
                "between, run it again, or `python -m ops rollback`, which restores both."
            )
        if os.environ.get(PUSH_AGAIN_VARIABLE):
            return DiffResult(changes=True)
        # A preview that updates the site does not know its hosts, which then stay as they are.
        known = [key for key in _REDEPLOYING if not isinstance(_news[key], Unknown)]
        return DiffResult(changes=any(_news[key] != _olds.get(key) for key in known))

    def create(self, props: dict[str, Any]) -> CreateResult:
        return CreateResult(props["site_id"], self._deploy(props))

    def update(self, _id: str, _olds: dict[str, Any], _news: dict[str, Any]) -> UpdateResult:
        return UpdateResult(self._deploy(_news))

    def read(self, id_: str, props: dict[str, Any]) -> ReadResult:
        """The running package, for `pulumi refresh`. No id if there is no site: `up` then deploys again."""
        with _plain_failure():
            running = self._publisher(props).running()
        if running is None:
            return ReadResult("", {})
        if running != props["package_hash"]:
            say(f"{props['site_host']} runs {running or 'no package that answers'}: `up` will deploy again.")
        state = {**recorded(props), "package_hash": running}
        return ReadResult(id_, state, dict(state))

    def _deploy(self, props: dict[str, Any]) -> dict[str, Any]:
        wanted = props["package_hash"]
        path = PROJECT_ROOT / props["package_path"]
        with _plain_failure(), _opened(path) as package:
            # A concurrent build may replace the file, so the open file is both checked and sent.
            actual_hash = content_hash(package)
            if actual_hash != wanted:
                raise PackageError(
                    f"{path} now holds package {actual_hash}, not {wanted} as planned. Deploy again."
                )
            say(f"Package {wanted[:12]}: {summary(package)}.")
            self._publisher(props).publish(package, wanted)
        return recorded(props)

    def _publisher(self, props: Mapping[str, Any]) -> "Publisher":
        from requests import Session  # noqa: PLC0415 # see the module's text

        from delivery import publish, signin  # noqa: PLC0415 # see the module's text

        settings = signin.read_settings(self._config, os.environ)
        session = Session()
        cloud = signin.cloud_of(settings, session)
        token = signin.token_source(settings, cloud, session)
        site = publish.Site(props["site_id"], props["site_host"], props["scm_host"])
        return publish.Publisher(site, cloud.endpoint, token, session, say)


DeployedCodeProvider.__module__ = "infra.dynamic"  # the path in states: see infra/dynamic/__init__.py


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise PackageError(f"{path} cannot be read: {error.strerror}. Deploy again.") from error


@contextmanager
def _plain_failure() -> Generator[None]:
    from delivery.publish import DeploymentError  # noqa: PLC0415 # see the module's text
    from delivery.signin import SignInError  # noqa: PLC0415 # see the module's text

    with plain_failure(DeploymentError, SignInError, PackageError):
        yield
