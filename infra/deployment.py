"""Loads states that name this module: see infra/dynamic/__init__.py."""

from infra.dynamic.deployed_code import DeployedCodeProvider

__all__ = ["DeployedCodeProvider"]
