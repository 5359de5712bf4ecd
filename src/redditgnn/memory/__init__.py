"""How much memory a run needs, and what to do when it runs out."""
