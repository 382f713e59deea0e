"""ncnn: ``.param``, the layers as text, and ``.bin`` of the same name beside it, the numbers."""

from __future__ import annotations

from collections import Counter

from ..inspection import Inspection, Tensor
from .files import File, Malformed

MAGIC = b"7767517"
#: The largest list of layers that is read, in bytes.
LAYERS = 4 << 20


def read(file: File) -> Inspection | None:
    """The layers, and the names of inputs."""
    lines = file.head.split(b"\n", 2)
    if lines[0].strip() != MAGIC or len(lines) < 2:
        return None
    counts = lines[1].split()
    if len(counts) != 2 or not all(each.isdigit() for each in counts):
        return None
    layers: Counter[str] = Counter()
    inputs: list[Tensor] = []
    for line in file.whole(LAYERS).decode("utf-8", "replace").splitlines()[2:]:
        words = line.split()
        if len(words) >= 4:
            layers[words[0]] += 1
            if words[0] == "Input":
                inputs.append(Tensor(words[1]))
    if sum(layers.values()) != int(counts[0]):
        raise Malformed("it does not have as many layers as it says")
    weights = f"{file.name[: -len('.param')]}.bin" if file.name.lower().endswith(".param") else ""
    return Inspection(
        "ncnn",
        framework="ncnn",
        inputs=tuple(inputs),
        details={
            "layers": dict(layers),
            "weights_missing": weights not in file.beside or None,
            "uncounted": "the sizes of weights are not in the list of layers",
        },
        companions=(weights,) if weights in file.beside else (),
    )
