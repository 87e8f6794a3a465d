"""Tables and queries of the queue for a person, of callbacks and of messages by telephone."""
