"""Writes small GGUF files: a vocabulary without tensors, with or without a chat template."""
import struct

UINT32, STRING, ARRAY, INT32 = 4, 8, 9, 5


def text(value):
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, value):
    if isinstance(value, int):
        return text(key) + struct.pack("<II", UINT32, value)
    if isinstance(value, str):
        return text(key) + struct.pack("<I", STRING) + text(value)
    kind = INT32 if value and isinstance(value[0], int) else STRING
    body = b"".join(struct.pack("<i", one) if kind == INT32 else text(one) for one in value)
    return text(key) + struct.pack("<IIQ", ARRAY, kind, len(value)) + body


def byte_alphabet():
    """GPT-2's printable stand-ins for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    stand_in = {byte: chr(byte) for byte in plain}
    stand_in.update({byte: chr(256 + place) for place, byte in enumerate(rest)})
    return [stand_in[byte] for byte in range(256)]


def write_vocabulary(path, chat_template=None):
    """256 byte tokens, "he" = 256, and the control token <|end|> = 257."""
    tokens = [*byte_alphabet(), "he", "<|end|>"]
    metadata = {
        "general.architecture": "llama",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "gpt-2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [1] * 257 + [3],
        "tokenizer.ggml.merges": ["h e"],
        "tokenizer.ggml.eos_token_id": 257,
    }
    if chat_template is not None:
        metadata["tokenizer.chat_template"] = chat_template
    body = b"".join(entry(key, value) for key, value in metadata.items())
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(metadata)) + body)
    return path
