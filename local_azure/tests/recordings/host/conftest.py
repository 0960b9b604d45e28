"""The local Azure and the model of the tests of the functions host."""

from local_azure.tests.functions_host.conftest import model, running_azure

__all__ = ["model", "running_azure"]
