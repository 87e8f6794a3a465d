"""What all visitors may see: the state of the service, centres, incidents, the feed of slots."""
