"""The slot store: tables, transactions, queries, migrations.

The only room that knows SQLAlchemy.
"""
