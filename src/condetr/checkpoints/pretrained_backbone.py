"""Loading ImageNet weights of torchvision or timm into the backbone of a detector."""

from pathlib import Path

from torch import Tensor, nn

from condetr.checkpoints import keys
from condetr.checkpoints.files import read_weights
from condetr.checkpoints.keys import foreign_keys
from condetr.checkpoints.tensors import check_tensors, listed
from condetr.core.errors import CheckpointError
from condetr.model.detector import ConditionalDetr

CLASSIFIERS = ("fc.", "classifier.", "head.")


def load_backbone(detector: ConditionalDetr, file: str | Path) -> tuple[str, ...]:
    """Replace the weights of the backbone by those of a classifier of the same architecture.

    Args:
        detector: changed in place.
        file: a state dict as torchvision or timm publish it: .pth, .bin or .safetensors.

    Returns:
        Notes on what the backbone does not use of the file.

    Raises:
        CheckpointError: the file is unsafe, or does not hold weights of this backbone.
    """
    state = read_weights(Path(file))
    stored, notes = state.tensors, list(state.notes)
    backbone: nn.Module = detector.body.backbone
    ours = {f"backbone.{name}": tensor for name, tensor in backbone.state_dict().items()}
    root = keys.BACKBONE["original"] + "."
    named = foreign_keys(ours, detector.config.backbone, "original", "timm")
    expected = {foreign.key.removeprefix(root): name for name, foreign in named.items()}

    classifier = [key for key in stored if key.startswith(CLASSIFIERS) and key not in expected]
    if classifier:
        notes.append(f"left out the classifier: {listed(classifier)}")
    stored = {key: tensor for key, tensor in stored.items() if key not in classifier}
    wrong = [key for key in expected if key not in stored or stored[key].shape != ours[expected[key]].shape]
    unexpected = stored.keys() - expected.keys()
    if wrong or unexpected:
        faults = [
            f"{word}: {listed(each)}"
            for word, each in (("missing or of another shape", wrong), ("unexpected", unexpected))
            if each
        ]
        raise CheckpointError(f"does not hold the weights of this backbone; {'; '.join(faults)}", source=state.source)
    check_tensors(stored, state.source)
    renamed: dict[str, Tensor] = {expected[key].removeprefix("backbone."): tensor for key, tensor in stored.items()}
    backbone.load_state_dict(renamed)
    return tuple(notes)
