"""Reading files that strangers wrote and writing files that are never half there."""
