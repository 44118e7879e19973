"""Floor 5: change sets → commit order → batches → statements → flush."""
