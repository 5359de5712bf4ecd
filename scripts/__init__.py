"""Programs around redditgnn: benchmarks, tables of results, single programs."""
