"""Maps of nodes in two dimensions: their layout, a page to explore them, a picture of them."""
