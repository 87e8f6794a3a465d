"""Tables and queries of the outbox, of messages and reminders, and of what is known of a number."""
