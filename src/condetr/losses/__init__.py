"""The set loss: focal loss, L1, GIoU and mask losses of every decoder layer's matches."""
