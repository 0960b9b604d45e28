"""The workflows that may sign in, and their identities, as data. Pure.

The subject of a workflow's token names its repository and its context; Entra requires that it is equal to
one of the subjects here, including upper and lower case (GitHub Docs: "OpenID Connect reference", the `sub`
claim).
"""

from typing import NamedTuple

from bootstrap.settings import Repository

ISSUER = "https://token.actions.githubusercontent.com"
AUDIENCE = "api://AzureADTokenExchange"


class Trust(NamedTuple):
    """`name`: the credential's name in Azure and part of its logical name; `context`: end of the subject."""

    name: str
    context: str


READER = (
    Trust("github-pull-request", "pull_request"),  # previews of pull requests; forks get no token
    Trust("github-main", "ref:refs/heads/main"),  # drift at night, from the main branch
)
DEPLOYER = (
    Trust("github-dev", "environment:dev"),  # deploys of the main branch
    Trust("github-test", "environment:test"),  # after dev
    Trust("github-prod", "environment:prod"),  # after test, behind the environment's approval
    Trust("github-pr", "environment:pr"),  # test stacks of pull requests, made and swept
)


def subject(repository: Repository, context: str) -> str:
    """`repo:owner/name:context`; with ids `repo:owner@1/name@2:context`.

    The subjects of repositories that were created or renamed after 2026-07-15 contain the ids, so that a
    new owner of an old name is not trusted (GitHub Docs: immutable subject claims).
    """
    owner, name = repository.owner, repository.name
    if repository.id:
        owner, name = f"{owner}@{repository.owner_id}", f"{name}@{repository.id}"
    return f"repo:{owner}/{name}:{context}"
