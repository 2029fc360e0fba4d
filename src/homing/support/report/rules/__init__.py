"""What is counted, and as what."""
