"""What the header of an image file says, read before Pillow sees the file, and the part that Pillow then gets."""
