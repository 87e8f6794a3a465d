"""Tables and queries of what is public: centres, incidents, the feed of slots."""
