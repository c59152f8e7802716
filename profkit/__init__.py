"""profkit: where the time goes in each implementation of one network, and why they differ."""
