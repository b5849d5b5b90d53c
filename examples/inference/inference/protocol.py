"""Bodies of the V2 inference protocol (Open Inference Protocol), as far as one FP32 tensor goes."""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np

from inference.servable import CLASSES, PIXELS, Images, Scores

INPUT = "images"
SCORES = "probabilities"
LABELS = "labels"
_ID_LIMIT = 256


class BadRequest(Exception):
    """Names the field, the value and what to do."""


@dataclass(frozen=True)
class InferRequest:
    images: Images
    id: str | None
    outputs: tuple[str, ...]


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def shown(value: Any) -> str:
    """A value in a message: a body may hold anything of any length."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise BadRequest(message)


def parse(body: bytes, batch_limit: int) -> InferRequest:
    try:
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BadRequest(f"body: {error}; send a JSON object") from error
    _require(isinstance(document, dict), f"body: {shown(document)}; send a JSON object")
    identifier = document.get("id")
    _require(
        identifier is None or (isinstance(identifier, str) and len(identifier) <= _ID_LIMIT),
        f"id: {shown(identifier)}; send a string of at most {_ID_LIMIT} characters",
    )
    inputs = document.get("inputs")
    _require(
        isinstance(inputs, list) and len(inputs) == 1 and isinstance(inputs[0], dict),
        f"inputs: {shown(inputs)}; send one tensor, {INPUT!r}",
    )
    images = _tensor(inputs[0], batch_limit)
    return InferRequest(images, identifier, _outputs(document.get("outputs")))


def _outputs(wanted: Any) -> tuple[str, ...]:
    if wanted is None:
        return (SCORES, LABELS)
    _require(
        isinstance(wanted, list) and all(isinstance(output, dict) for output in wanted),
        f"outputs: {shown(wanted)}; send a list of objects, or leave it out for all",
    )
    names = tuple(output.get("name") for output in wanted)
    for index, name in enumerate(names):
        _require(
            name in (SCORES, LABELS) and names.index(name) == index,
            f"outputs[{index}].name: {shown(name)}; use {SCORES!r} and {LABELS!r}, each once",
        )
    return names or (SCORES, LABELS)


def _tensor(tensor: dict[str, Any], batch_limit: int) -> Images:
    name, datatype, shape = (tensor.get(key) for key in ("name", "datatype", "shape"))
    _require(name == INPUT, f"inputs[0].name: {shown(name)}; use {INPUT!r}")
    _require(datatype == "FP32", f"inputs[0].datatype: {shown(datatype)}; use 'FP32'")
    _require(
        isinstance(shape, list)
        and len(shape) == 2
        and all(type(size) is int for size in shape)
        and shape[1] == PIXELS,
        f"inputs[0].shape: {shown(shape)}; use [n, {PIXELS}]",
    )
    _require(
        1 <= shape[0] <= batch_limit,
        f"inputs[0].shape[0]: {shown(shape[0])}; send 1 to {batch_limit} images in a request",
    )
    return _numbers(tensor.get("data"), shape[0])


def _numbers(data: Any, rows: int) -> Images:
    field = "inputs[0].data"
    _require(isinstance(data, list), f"{field}: {shown(data)}; send a list of numbers")
    flat = data
    if data and isinstance(data[0], list):
        _require(
            len(data) == rows
            and all(isinstance(row, list) and len(row) == PIXELS for row in data),
            f"{field}: lists that do not fit the shape; send {rows} lists of {PIXELS} numbers",
        )
        flat = [number for row in data for number in row]
    _require(
        len(flat) == rows * PIXELS,
        f"{field}: {len(flat)} numbers; the shape wants {rows * PIXELS}",
    )
    for index, number in enumerate(flat):
        # bool is an int in Python. What is beyond 0 to 1 is no image and could overflow inside.
        if type(number) not in (int, float) or not 0 <= number <= 1:
            raise BadRequest(
                f"{field}[{index}]: {shown(number)}; send numbers from 0 to 1 (grey divided by 16)"
            )
    return np.array(flat, dtype=np.float32).reshape(rows, PIXELS)


def answer(request: InferRequest, scores: Scores, name: str, version: int) -> dict[str, Any]:
    rows = len(scores)
    tensors = {
        SCORES: ("FP32", [rows, CLASSES], lambda: scores.ravel().tolist()),
        LABELS: ("INT64", [rows], lambda: np.argmax(scores, axis=1).tolist()),
    }
    document: dict[str, Any] = {"model_name": name, "model_version": str(version)}
    if request.id is not None:
        document["id"] = request.id
    document["outputs"] = [
        {"name": output, "datatype": datatype, "shape": shape, "data": data()}
        for output, (datatype, shape, data) in ((key, tensors[key]) for key in request.outputs)
    ]
    return document


def description(name: str, version: int | None) -> dict[str, Any]:
    """Model metadata."""
    return {
        "name": name,
        "versions": [] if version is None else [str(version)],
        "platform": "tensorflow_keras",
        "inputs": [{"name": INPUT, "datatype": "FP32", "shape": [-1, PIXELS]}],
        "outputs": [
            {"name": SCORES, "datatype": "FP32", "shape": [-1, CLASSES]},
            {"name": LABELS, "datatype": "INT64", "shape": [-1]},
        ],
    }
