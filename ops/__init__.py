"""What pipelines and people on call run: one command each, against whatever `pulumi` and ARM_* lead to."""
