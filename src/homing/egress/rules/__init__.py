"""Pure decisions of egress: limits of providers, fair shares of connections, messages a minute."""
