"""A detector as an HTTP service, and as a web page."""
