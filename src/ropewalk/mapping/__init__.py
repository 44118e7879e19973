"""Floor 1: what a class is mapped to. Data about classes; no instances."""
