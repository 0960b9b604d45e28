"""Loads states that name this module: see infra/dynamic/__init__.py."""

from infra.dynamic import DeployedCodeProvider

__all__ = ["DeployedCodeProvider"]
