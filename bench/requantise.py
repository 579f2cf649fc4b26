#!/usr/bin/env python3
"""Writes a GGUF file with its matrices in another type, to time types that no file at hand has.

    python3 -m venv V && V/bin/pip install gguf && V/bin/python bench/requantise.py IN.gguf TYPE OUT.gguf

TYPE is Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q5_K, Q6_K, F16, BF16 or F32. Every tensor of more than one row
becomes TYPE, or Q8_0 where its rows are not whole blocks of TYPE. Rounding is simple: good for timing,
not a way to make models. Metadata is copied as it is.
"""
import mmap
import struct
import sys

import numpy
from gguf import GGMLQuantizationType, quants

SCALARS = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
STRING, ARRAY = 8, 9
ALIGNMENT = 32
PIECE_ROWS = 4096


def skip_value(data, at, kind):
    """Where a metadata value of `kind` that begins at `at` ends."""
    if kind in SCALARS:
        return at + SCALARS[kind]
    if kind == STRING:
        return at + 8 + struct.unpack_from("<Q", data, at)[0]
    inner, count = struct.unpack_from("<IQ", data, at)
    at += 12
    if inner in SCALARS:
        return at + SCALARS[inner] * count
    for _ in range(count):
        at = skip_value(data, at, inner)
    return at


def read_header(data):
    """(bytes of the metadata, [(name, shape, type, offset)], where tensor data begins)."""
    magic, version, tensors, entries = struct.unpack_from("<4sIQQ", data, 0)
    if magic != b"GGUF" or version not in (2, 3):
        sys.exit("not a GGUF file of version 2 or 3")
    start = at = 24
    alignment = ALIGNMENT
    for _ in range(entries):
        size = struct.unpack_from("<Q", data, at)[0]
        key = bytes(data[at + 8:at + 8 + size])
        at += 8 + size
        kind = struct.unpack_from("<I", data, at)[0]
        if key == b"general.alignment":
            alignment = struct.unpack_from("<I", data, at + 4)[0]
        at = skip_value(data, at + 4, kind)
    if alignment != ALIGNMENT:
        sys.exit(f"alignment {alignment} is not read here")
    metadata, infos = bytes(data[start:at]), []
    for _ in range(tensors):
        size = struct.unpack_from("<Q", data, at)[0]
        name = bytes(data[at + 8:at + 8 + size])
        at += 8 + size
        rank = struct.unpack_from("<I", data, at)[0]
        shape = struct.unpack_from(f"<{rank}Q", data, at + 4)
        kind, offset = struct.unpack_from("<IQ", data, at + 4 + 8 * rank)
        at += 16 + 8 * rank
        infos.append((name, shape, GGMLQuantizationType(kind), offset))
    return (entries, metadata), infos, -(-at // ALIGNMENT) * ALIGNMENT


def divide(x, by):
    return numpy.divide(x, by, out=numpy.zeros_like(x), where=by != 0)


def to_q6_k(x):
    """[n, 256] float32 -> [n, 210] bytes: low nibbles, high pairs of bits, 16 scales, d."""
    groups = x.reshape(-1, 16, 16)
    steps = numpy.abs(groups).max(axis=2) / 31
    d = (steps.max(axis=1) / 127).astype(numpy.float16)
    scales = numpy.rint(divide(steps, numpy.float32(d)[:, None])).clip(0, 127)
    step = (scales * numpy.float32(d)[:, None])[:, :, None]
    q = (numpy.rint(divide(groups, numpy.broadcast_to(step, groups.shape))) + 32).clip(0, 63)
    q = q.astype(numpy.uint8).reshape(-1, 2, 4, 32)  # half of the block, quarter, value
    low = numpy.concatenate([(q[:, :, 0] & 15) | ((q[:, :, 2] & 15) << 4),
                             (q[:, :, 1] & 15) | ((q[:, :, 3] & 15) << 4)], axis=2)
    high = sum((q[:, :, i] >> 4) << (2 * i) for i in range(4)).astype(numpy.uint8)
    return numpy.concatenate([low.reshape(-1, 128), high.reshape(-1, 64),
                              scales.astype(numpy.int8).view(numpy.uint8),
                              d[:, None].view(numpy.uint8)], axis=1)


def to_q5_k(x):
    """[n, 256] float32 -> [n, 176] bytes: d, dmin, 8 scales and minimums of 6 bits, high bits, low."""
    groups = x.reshape(-1, 8, 32)
    least = numpy.minimum(groups.min(axis=2), 0)
    steps = (groups.max(axis=2) - least) / 31
    d = (steps.max(axis=1) / 63).astype(numpy.float16)
    d_min = ((-least).max(axis=1) / 63).astype(numpy.float16)
    scales = numpy.rint(divide(steps, numpy.float32(d)[:, None])).clip(0, 63)
    mins = numpy.rint(divide(-least, numpy.float32(d_min)[:, None])).clip(0, 63)
    step = (scales * numpy.float32(d)[:, None])[:, :, None]
    shifted = groups + (mins * numpy.float32(d_min)[:, None])[:, :, None]
    q = numpy.rint(divide(shifted, numpy.broadcast_to(step, groups.shape))).clip(0, 31)
    q = q.astype(numpy.uint8)
    scales, mins = scales.astype(numpy.uint8), mins.astype(numpy.uint8)
    packed = numpy.concatenate([scales[:, :4] | (scales[:, 4:] >> 4) << 6,
                                mins[:, :4] | (mins[:, 4:] >> 4) << 6,
                                (scales[:, 4:] & 15) | (mins[:, 4:] & 15) << 4], axis=1)
    high = sum((q[:, i] >> 4) << i for i in range(8)).astype(numpy.uint8)
    low = (q[:, 0::2] & 15) | ((q[:, 1::2] & 15) << 4)
    return numpy.concatenate([d[:, None].view(numpy.uint8), d_min[:, None].view(numpy.uint8), packed,
                              high, low.reshape(-1, 128)], axis=1)


def quantise(values, kind):
    own = {GGMLQuantizationType.Q6_K: to_q6_k, GGMLQuantizationType.Q5_K: to_q5_k}
    if kind not in own:
        return quants.quantize(values, kind).tobytes()
    return own[kind](values.reshape(-1, 256)).tobytes()


def type_for(shape, wanted):
    return wanted if shape[0] % quants.GGML_QUANT_SIZES[wanted][0] == 0 else \
        GGMLQuantizationType.Q8_0


def convert(data, shape, old, new):
    """The bytes of one tensor in another type, some rows at a time."""
    values, size = quants.GGML_QUANT_SIZES[old]
    row_bytes = shape[0] // values * size
    rows = numpy.frombuffer(data, numpy.uint8).reshape(-1, row_bytes)
    for first in range(0, len(rows), PIECE_ROWS):
        floats = quants.dequantize(rows[first:first + PIECE_ROWS], old).astype(numpy.float32)
        yield quantise(floats.reshape(-1, shape[0]), new)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    wanted = GGMLQuantizationType[sys.argv[2].upper()]
    with open(sys.argv[1], "rb") as source:
        data = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
    (entries, metadata), infos, base = read_header(data)
    kinds = [type_for(shape, wanted) if len(shape) > 1 else kind for _, shape, kind, _ in infos]
    out = bytearray(struct.pack("<4sIQQ", b"GGUF", 3, len(infos), entries) + metadata)
    offset = 0
    sizes = []
    for (name, shape, _, _), kind in zip(infos, kinds):
        values, size = quants.GGML_QUANT_SIZES[kind]
        out += struct.pack("<Q", len(name)) + name + struct.pack("<I", len(shape))
        out += struct.pack(f"<{len(shape)}QIQ", *shape, kind, offset)
        sizes.append(int(numpy.prod(shape)) // values * size)
        offset += -(-sizes[-1] // ALIGNMENT) * ALIGNMENT
    out += bytes(-len(out) % ALIGNMENT)
    with open(sys.argv[3], "wb") as target:
        target.write(out)
        for (name, shape, old, place), kind, size in zip(infos, kinds, sizes):
            values, block = quants.GGML_QUANT_SIZES[old]
            start = base + place
            tensor = data[start:start + int(numpy.prod(shape)) // values * block]
            pieces = [tensor] if kind == old else convert(tensor, shape, old, kind)
            target.write(b"".join(pieces) + bytes(-size % ALIGNMENT))


if __name__ == "__main__":
    main()
