"""Changes to whole datasets: classes, members, near duplicates."""
