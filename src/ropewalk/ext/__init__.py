"""What is built on relationships and needs no place below them: association proxies, ordered lists."""
