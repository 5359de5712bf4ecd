"""One module a command: `main(argv) -> int`; the module's docstring is the text of its --help."""
