#!/usr/bin/env python3
"""Turns a folder of files into a C++ source, as they are and gzipped, for Quire to serve.

    tools/embed_files.py FOLDER OUTPUT.cc

Defines quire::kDashboardFiles (server/dashboard/dashboard_files.h), by path. The same folder gives
the same source: no time, no absolute path is in it.
"""
import gzip
import hashlib
import pathlib
import sys

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
ESCAPED = {byte: f"\\{byte:03o}" for byte in range(256)} | {
    byte: chr(byte) for byte in range(0x20, 0x7F) if chr(byte) not in '"\\?'}
ROW = 64  # bytes a line


def literal(data):
    rows = [data[i:i + ROW] for i in range(0, len(data), ROW)] or [b""]
    return "\n".join('    "' + "".join(ESCAPED[byte] for byte in row) + '"' for row in rows)


def main():
    folder, output = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    entries = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.suffix not in TYPES:
            sys.exit(f"{path}: no content type is known for {path.suffix!r}; see {sys.argv[0]}")
        data = path.read_bytes()
        packed = gzip.compress(data, 9, mtime=0)
        name = path.relative_to(folder).as_posix()
        entries.append(f"""    {{"/{name}", "{TYPES[path.suffix]}",
     "\\"{hashlib.sha256(data).hexdigest()[:32]}\\"",
     std::string_view(
{literal(data)},
         {len(data)}),
     std::string_view(
{literal(packed)},
         {len(packed)})}},
""")
    text = ('#include "server/dashboard/dashboard_files.h"\n\nnamespace quire {\n\n'
            "static const DashboardFile kFiles[] = {\n" + "".join(entries) + "};\n"
            "const std::span<const DashboardFile> kDashboardFiles = kFiles;\n\n"
            "}  // namespace quire\n")
    output.write_text(text)


main()
