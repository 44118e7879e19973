"""Floor 5: statement → plan → generated row loader → objects. Nothing here writes."""
