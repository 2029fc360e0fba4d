"""Pure decisions about availability: which seconds count, what they come to, and what proves it. Time is an argument."""
