"""Pure decisions about addresses."""
