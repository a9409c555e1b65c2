"""Training losses: one file each, a pure function and a thin Module over it."""
