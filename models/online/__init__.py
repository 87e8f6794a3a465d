"""Tables and queries of web sessions on the public site, and of their codes."""
