"""Keys of sealed columns: told from a wrong one, added, changed and retired."""
