"""Tables and queries of the supervisors' board: counts, tallies, alerts, snapshots."""
