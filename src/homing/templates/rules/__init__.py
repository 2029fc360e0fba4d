"""Pure translators: templates of other platforms, in our language."""
