"""homing."""
