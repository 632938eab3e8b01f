"""The network as a graph for other programs, ONNX, OpenVINO or torch.export: written, verified and run."""
