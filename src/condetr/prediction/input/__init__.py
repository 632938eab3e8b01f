"""Where images come from besides folders and lists: archives, storage, documents; and the listing of a run."""
