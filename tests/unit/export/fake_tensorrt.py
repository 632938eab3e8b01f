"""What condetr calls of TensorRT, with the signatures of its Python bindings 11.4; graphs run in onnxruntime.

An engine is the ONNX graph and its profile; a context reads and writes the memory whose addresses it gets.
"""

import ctypes
import enum
import pickle
from importlib.machinery import ModuleSpec
from types import ModuleType, SimpleNamespace

import numpy as np


class NetworkDefinitionCreationFlag(enum.IntEnum):
    STRONGLY_TYPED = 0


BuilderFlag = enum.Enum("BuilderFlag", "TF32")
TensorIOMode = enum.Enum("TensorIOMode", "NONE INPUT OUTPUT")
DataType = enum.Enum("DataType", "FLOAT HALF INT32 INT64 BOOL")
TYPES = {"tensor(float)": DataType.FLOAT, "tensor(bool)": DataType.BOOL, "tensor(int64)": DataType.INT64}
NUMPY = {DataType.FLOAT: np.float32, DataType.BOOL: np.bool_, DataType.INT64: np.int64}


class Logger:
    ERROR = "error"

    def __init__(self, min_severity="warning"):
        pass


class Builder:
    built = ()  # the last network and config

    def __init__(self, logger):
        assert isinstance(logger, Logger)

    def create_network(self, flags=0):
        return SimpleNamespace(flags=flags, graph=None)

    def create_builder_config(self):
        return IBuilderConfig()

    def create_optimization_profile(self):
        return IOptimizationProfile()

    def build_serialized_network(self, network, config):
        Builder.built = (network, config)
        if network.graph is None or not network.flags & 1 << NetworkDefinitionCreationFlag.STRONGLY_TYPED:
            return None
        return bytearray(pickle.dumps((network.graph, [profile.shapes for profile in config.profiles])))


class IBuilderConfig:
    def __init__(self):
        self.profiles, self.flags = [], {BuilderFlag.TF32}

    def clear_flag(self, flag):
        self.flags.discard(flag)

    def add_optimization_profile(self, profile):
        self.profiles.append(profile)
        return len(self.profiles) - 1


class IOptimizationProfile:
    def __init__(self):
        self.shapes = {}

    def set_shape(self, input, min, opt, max):  # noqa: A002  TensorRT's names
        assert all(low <= middle <= high for low, middle, high in zip(min, opt, max, strict=True))
        self.shapes[input] = [tuple(min), tuple(opt), tuple(max)]


class OnnxParser:
    def __init__(self, network, logger):
        assert isinstance(logger, Logger)
        self.network, self.num_errors = network, 0

    def parse(self, model, path=None):
        import onnx

        assert isinstance(model, bytes)
        try:
            onnx.load_from_string(model)
        except Exception:  # protobuf's own
            self.num_errors = 1
            return False
        self.network.graph = model
        return True

    def get_error(self, index):
        return SimpleNamespace(desc=lambda: "no ONNX")


class Runtime:
    def __init__(self, logger):
        assert isinstance(logger, Logger)

    def deserialize_cuda_engine(self, serialized_engine):
        try:
            return ICudaEngine(*pickle.loads(serialized_engine))
        except pickle.UnpicklingError:
            return None


class ICudaEngine:
    def __init__(self, graph, profiles):
        import onnxruntime

        self.session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        self.profiles = profiles
        self.values = {value.name: value for value in [*self.session.get_inputs(), *self.session.get_outputs()]}
        self.num_io_tensors = len(self.values)

    def get_tensor_name(self, index):
        return list(self.values)[index]

    def get_tensor_mode(self, name):
        taken = [value.name for value in self.session.get_inputs()]
        return TensorIOMode.INPUT if name in taken else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name):
        return TYPES[self.values[name].type]

    def get_tensor_profile_shape(self, name, profile_index):
        return self.profiles[profile_index][name]

    def create_execution_context(self):
        return IExecutionContext(self)


class IExecutionContext:
    def __init__(self, engine):
        self.engine, self.shapes, self.addresses = engine, {}, {}

    def set_input_shape(self, name, shape):
        assert isinstance(shape, tuple)
        for shapes in self.engine.profiles:
            low, _, high = shapes[name]
            if not all(a <= b <= c for a, b, c in zip(low, shape, high, strict=True)):
                return False
        self.shapes[name] = shape
        return True

    def get_tensor_shape(self, name):
        known = {"batch": self.shapes["pixels"][0]}
        return [known.get(axis, axis) for axis in self.engine.values[name].shape]

    def set_tensor_address(self, name, memory):
        self.addresses[name] = int(memory)
        return True

    def execute_async_v3(self, stream_handle):
        assert isinstance(stream_handle, int)
        taken = {name: self._memory(name, shape) for name, shape in self.shapes.items()}
        names = [value.name for value in self.engine.session.get_outputs()]
        for name, array in zip(names, self.engine.session.run(names, taken), strict=True):
            self._memory(name, array.shape)[...] = array
        return True

    def _memory(self, name, shape):
        kind = np.dtype(NUMPY[self.engine.get_tensor_dtype(name)])
        size = kind.itemsize * int(np.prod(shape))
        return np.frombuffer((ctypes.c_byte * size).from_address(self.addresses[name]), kind).reshape(shape)


def as_module():
    module = ModuleType("tensorrt")
    module.__spec__ = ModuleSpec("tensorrt", loader=None, origin=__file__)  # torch looks for it
    vars(module).update({name: value for name, value in globals().items() if not name.startswith("_")})
    module.__version__ = "11.4.0.106"
    return module
