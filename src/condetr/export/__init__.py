"""The network as a graph for other programs: ONNX, OpenVINO, torch.export; written, compared with, and read back."""
