"""Pure decisions about domains: names, statuses, what DNS must say."""
