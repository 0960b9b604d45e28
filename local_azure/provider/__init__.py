"""Local Azure's azure-native provider: Pulumi's provider protocol in front of `local_azure.arm`."""
