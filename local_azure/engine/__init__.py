"""Local Azure's embedded engine: runs a Pulumi program where there is no Pulumi CLI.

It speaks the SDK's resource-monitor protocol to the unmodified program, the provider
protocol to local Azure, and keeps its state in the CLI's own checkpoint format, so
that either engine goes on where the other stopped. It runs local stacks only.
"""
