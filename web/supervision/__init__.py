"""/supervision: the supervisors' board."""
