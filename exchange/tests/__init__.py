"""The tests of the exchange: they know neither a booking service nor the simulator's people."""
