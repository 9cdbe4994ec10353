"""The command line: thin shells over the library, one command a file."""
