"""What a clock shows, decided from its marks alone."""
