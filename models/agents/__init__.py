"""Tables and queries of agents at work, their lines, and commands to the provider."""
