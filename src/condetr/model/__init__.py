"""The network of the paper: backbone, position, attention, encoder, conditional decoder, heads."""
