"""Going live: what is missing, the steps that mend it, and a demonstration filled."""
