"""Published numbers, and whether runs reproduce them."""
