"""How processes are put together, from what each package registers: nothing imports this room."""
