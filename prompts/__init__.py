"""Every word spoken or sent: one TOML file per language. `catalogue` reads and fills them in."""
