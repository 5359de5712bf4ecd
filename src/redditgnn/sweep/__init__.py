"""Many runs from one command line: all are checked first, and each has a process that may die."""
