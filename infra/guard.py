"""Loads states that name this module: see infra/dynamic/__init__.py."""

from infra.dynamic.deletion_guard import DeletionGuardProvider

__all__ = ["DeletionGuardProvider"]
