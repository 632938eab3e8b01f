"""From YAML, --set and flags to one frozen dataclass tree."""
