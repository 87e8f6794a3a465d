"""The waiting list: who waits, which person is offered what freed place, what became of it."""
