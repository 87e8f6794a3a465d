"""/poste: pages of the agents."""
