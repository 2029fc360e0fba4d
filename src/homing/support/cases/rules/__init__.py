"""What a case is and may become, decided from its events alone."""
