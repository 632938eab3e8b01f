"""The network as a graph for other programs, ONNX, OpenVINO, torch.export or ExecuTorch: written, verified and run."""
