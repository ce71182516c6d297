"""How an ONNX model keeps its weights: in fewer bytes, with the same numbers.

A weight that 16 bits hold exactly is kept so, with a Cast behind it, which runtimes
take away when they load the model.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEW = 128  # numbers that are not worth a Cast


def halve(model: onnx.ModelProto) -> onnx.ModelProto:
    """Keep weights as float16 where that changes none of them (in place)."""
    graph = model.graph
    casts = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        full = numpy_helper.to_array(weight)
        half = full.astype(np.float16)
        if full.size < FEW or not (half.astype(np.float32) == full).all():
            continue
        casts.append(cast(weight, numpy_helper.from_array(half)))
    for node in reversed(casts):
        graph.node.insert(0, node)
    return model


def cast(weight: TensorProto, stored: TensorProto) -> onnx.NodeProto:
    """Put `stored` in a weight's place; the node that makes float32 of it again."""
    name = weight.name
    stored.name = f"{name}.stored"
    weight.CopyFrom(stored)
    return helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT)
