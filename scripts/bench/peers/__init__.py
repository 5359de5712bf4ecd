"""The same work by PyG and DGL."""
