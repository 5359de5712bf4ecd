"""Many runs from one command line: planned and checked first, each in a process that may die."""
