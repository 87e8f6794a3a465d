"""Schema changes, in order, by Alembic. `runner.upgrade` is the way in."""
