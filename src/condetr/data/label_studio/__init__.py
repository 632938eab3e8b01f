"""Label Studio: JSON tasks."""
