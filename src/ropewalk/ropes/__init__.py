"""Which session a piece of a program works in, and when that session is closed: scopes, ropes and jennies."""
