"""The resources that the pipelines need: a separate Pulumi project, and the commands that create it."""
