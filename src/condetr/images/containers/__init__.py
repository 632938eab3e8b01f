"""What the header of a picture file says, read before Pillow sees the file, and the part that Pillow then gets."""
