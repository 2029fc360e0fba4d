"""Pure decisions about A/B tests."""
