"""3x3 convolutions by Winograd's method on the CPU."""
