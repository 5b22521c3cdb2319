"""The command line: one command a file, options generated from the typed configurations."""
