"""A detector behind HTTP, and on a web page."""
