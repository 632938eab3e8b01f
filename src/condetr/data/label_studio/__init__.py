"""Label Studio's JSON tasks, read and written."""
