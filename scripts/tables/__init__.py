"""Tables in the documents, rendered from results."""
