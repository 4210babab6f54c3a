"""How much work the process takes on: admission and thread lanes."""
