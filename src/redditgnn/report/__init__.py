"""Tables, plots and one page of what runs.csv holds: `redditgnn report`."""
