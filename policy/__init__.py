"""What every stack must keep to, judged before anything is made, by the Pulumi CLI and without it."""
