"""How simulated mailbox providers decide; pure."""
