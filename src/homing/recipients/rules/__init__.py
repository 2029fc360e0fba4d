"""Pure decisions about recipients."""
