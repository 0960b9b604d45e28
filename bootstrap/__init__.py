"""What the pipelines stand on: a Pulumi project of its own, and commands that bring it up from nothing."""
