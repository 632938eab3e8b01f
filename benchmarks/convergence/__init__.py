"""How soon DETR and Conditional DETR learn the same scenes, from the same feature maps."""
