"""Floor 3: what the attributes of a mapped class do."""
