"""Pure decisions of delivery: where mail may go, what a reply means, when to try again, how many connections."""
