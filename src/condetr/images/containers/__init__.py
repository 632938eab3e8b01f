"""Image file headers, read before Pillow sees the file, and the part of the file that Pillow then decodes."""
