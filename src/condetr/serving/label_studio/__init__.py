"""The ML backend protocol of Label Studio."""
