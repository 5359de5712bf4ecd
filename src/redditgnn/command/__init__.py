"""One module for each command: `main(argv) -> int`. Its docstring is the text of --help."""
