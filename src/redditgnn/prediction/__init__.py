"""Answers of a trained model: predictions, embeddings, attention, and files of them."""
