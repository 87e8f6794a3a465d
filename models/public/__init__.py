"""Tables and queries of what everybody may see: centres, incidents, the feed of slots."""
