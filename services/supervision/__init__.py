"""The supervisors' board: counts, history, alerts, and what supervisors change."""
