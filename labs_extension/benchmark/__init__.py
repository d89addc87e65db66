"""The benchmark: what this machine's GPU really does, beside what its maker says and what the CPU does."""
