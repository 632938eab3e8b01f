"""What each decoder layer is told about its matches."""
