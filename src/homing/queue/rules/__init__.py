"""Pure decisions of the queue: what waits in which lane, and whose turn it is."""
