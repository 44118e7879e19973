"""Floor 6: the Session, its factories, its connections and transactions."""
