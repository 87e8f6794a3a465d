"""A telephone exchange that speaks TwiML; nothing of a service or of who rings. See README.md."""
