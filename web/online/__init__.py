"""/rendez-vous and /mon-rendez-vous: online booking, and my appointment."""
