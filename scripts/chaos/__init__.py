"""Programs that kill runs at random, and compare what is left with undisturbed runs."""
