"""Where a run can be followed besides its own files: one module a tracker, none needed."""
