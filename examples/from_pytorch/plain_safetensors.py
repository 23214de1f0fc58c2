"""Safetensors files by NumPy alone, where the format's own library is not installed: `load` and `save`.

A file is the length of its header in 8 bytes, the header in JSON (type, shape and place of every tensor, and free text under
"__metadata__"), and the tensors' bytes, row by row.
"""
import json

import numpy as np

TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1", "U64": "<u8",
         "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?"}


def load(path):
    """The tensors, {name: array}, and the metadata, {key: text}. Arrays are parts of the file, read when they are looked at."""
    data = np.memmap(path, np.uint8, "r")
    begin = 8 + int.from_bytes(data[:8].tobytes(), "little")
    header = json.loads(data[8:begin].tobytes())
    metadata = header.pop("__metadata__", {})
    return {name: data[begin:][slice(*tensor["data_offsets"])].view(TYPES[tensor["dtype"]]).reshape(tensor["shape"])
            for name, tensor in header.items()}, metadata


def save(path, tensors, metadata={}):
    """Writes arrays, {name: array}, of the types above, and free text."""
    names = {np.dtype(type): name for name, type in TYPES.items()}
    arrays = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    header, end = {"__metadata__": metadata}, 0
    for name in sorted(arrays, key=lambda name: -arrays[name].itemsize):  # each at a multiple of its element's size
        begin, end = end, end + arrays[name].nbytes
        header[name] = {"dtype": names[arrays[name].dtype], "shape": arrays[name].shape, "data_offsets": [begin, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in list(header)[1:]:
            file.write(arrays[name].tobytes())
