"""Pages of accounts: signing in and out, the second factor, the password."""
