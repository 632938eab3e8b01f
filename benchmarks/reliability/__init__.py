"""Is everything read or refused in words? Studies with chance in them, run by hand."""
