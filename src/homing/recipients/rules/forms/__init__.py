"""The forms in which suppressions come: our own and those of other platforms, each a pure translator."""
