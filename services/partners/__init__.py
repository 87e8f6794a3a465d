"""Partners (Doctolib, Maiia, Keldoc): their slots beside ours, and orders of ours at them."""
