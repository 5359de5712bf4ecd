"""One run: from settings to a row of runs.csv."""
