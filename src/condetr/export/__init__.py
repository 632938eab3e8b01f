"""The network as a graph for other programs, ONNX, OpenVINO, TensorRT and others: written, verified and run."""
