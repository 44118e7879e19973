"""Floor 2: what is known of one instance, and which instances there are."""
