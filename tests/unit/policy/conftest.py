from tests.unit.infra.conftest import run_stack

__all__ = ["run_stack"]
