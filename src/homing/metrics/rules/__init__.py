"""Pure decisions about metrics."""
