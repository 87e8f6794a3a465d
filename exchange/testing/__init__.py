"""For tests of programs around the exchange: its parts, in time and on ports of the test."""
