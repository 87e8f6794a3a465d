"""RQ: delivery of the outbox, sweeps, feeds. The only package that knows Redis and RQ.

Redis only wakes workers up. Whatever must happen is in the database, where the scheduler's sweep
finds it without Redis.
"""
