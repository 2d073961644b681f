"""The command line: parses, dispatches, renders. Each verb is a module in ``commands`` and returns an exit code."""
