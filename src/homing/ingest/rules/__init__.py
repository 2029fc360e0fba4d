"""Pure decisions about events of other platforms."""
