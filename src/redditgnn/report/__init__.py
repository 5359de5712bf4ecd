"""Tables, plots and one page from runs.csv: `redditgnn report`."""
