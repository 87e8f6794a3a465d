"""The numbers that people call: what each decides, the file they are in, and the one of a call."""
