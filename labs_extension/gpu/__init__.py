"""The GPU report: what NVML says of the machine's GPUs, and whether the frameworks see them."""
