"""From a detector to a faster one with the same answers: always a copy, never trained, never saved."""
