"""How ONNX models keep their weights, so that they are few bytes to download.

A weight that 16 bits hold exactly is kept so, with a Cast behind it, which runtimes
take away when they load the model: the same numbers in half the bytes. What may be
rounded is kept as whole numbers of a few bits, which pack well.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FEW = 128  # numbers: fewer are not worth a Cast
MANY = 8192  # numbers: a weight with fewer is not rounded
LEVELS = 31  # on either side of 0, of a rounded weight


def halve(model: onnx.ModelProto) -> None:
    """Keep weights as float16 where that changes none of them."""

    def cast(name: str, weight: np.ndarray) -> list[onnx.NodeProto]:
        with np.errstate(over="ignore"):
            half = weight.astype(np.float16)
        if weight.size < FEW or not (half.astype(np.float32) == weight).all():
            return []
        store(model, f"{name}.half", half)
        made = helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT)
        return [made]

    replace(model, cast)


def round_weights(model: onnx.ModelProto, prefix: str) -> None:
    """Keep large weights whose names begin so as int8, with a scale a row."""

    def dequantize(name: str, weight: np.ndarray) -> list[onnx.NodeProto]:
        wanted = name.startswith(prefix) and name.rpartition(".")[2].startswith(
            "weight"
        )
        if not wanted or weight.size < MANY:
            return []
        rows = weight.reshape(len(weight), -1)
        scale = np.abs(rows).max(axis=1).clip(min=np.finfo(np.float32).tiny) / LEVELS
        whole = np.rint(rows / scale[:, None]).astype(np.int8).reshape(weight.shape)
        store(model, f"{name}.whole", whole)
        store(model, f"{name}.scale", scale.astype(np.float32))
        parts = [f"{name}.whole", f"{name}.scale"]
        return [helper.make_node("DequantizeLinear", parts, [name], axis=0)]

    replace(model, dequantize)


def replace(
    model: onnx.ModelProto,
    node_for: Callable[[str, np.ndarray], list[onnx.NodeProto]],
) -> None:
    """Let nodes make the float32 weights for which `node_for` gives some."""
    graph = model.graph
    made = []
    for weight in list(graph.initializer):
        floats = weight.data_type == TensorProto.FLOAT
        nodes = node_for(weight.name, numpy_helper.to_array(weight)) if floats else []
        made += nodes
        if nodes:
            graph.initializer.remove(weight)
    nodes = made + list(graph.node)
    del graph.node[:]
    graph.node.extend(nodes)


def store(model: onnx.ModelProto, name: str, values: np.ndarray) -> None:
    model.graph.initializer.append(numpy_helper.from_array(values, name))
