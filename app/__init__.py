"""How processes are put together, from what each package registers: no package imports this."""
