"""Tables and queries of centres, postcodes, and where they lie."""
