"""The slot store: tables, transactions, queries, migrations.

The only package that knows SQLAlchemy.
"""
