"""Tables and queries of the waiting list and of offers of freed places."""
