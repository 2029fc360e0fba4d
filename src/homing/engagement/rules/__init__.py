"""Pure decisions about engagement."""
