"""The commands that pipelines and on-call engineers run. PULUMI_* select the backend, ARM_* the cloud."""
