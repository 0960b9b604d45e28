"""The Pulumi CLI on this machine: find it, start it, install it."""
