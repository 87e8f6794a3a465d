"""The waiting list: who waits, what freed place is offered to whom, what became of it."""
