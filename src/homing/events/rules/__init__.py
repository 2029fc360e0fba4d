"""Pure decisions over events: what a search means, how an event looks on the wire, what a reason may show."""
