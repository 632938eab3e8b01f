"""ConditionalDetrConfig."""
