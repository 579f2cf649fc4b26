#!/usr/bin/env python3
"""Checks the rules of the house that no compiler knows; ctest runs it.

Who may include whom, how long files and functions may be, which words and calls are banned and what
to use instead. Prints one line per finding and exits 1 if there is any. No exceptions list: a rule
that does not hold is changed here, in the open.

    tools/tidy.py [--root FOLDER]    default: the project this file belongs to
"""
import argparse
import pathlib
import re
import sys

# folder -> what it may include besides itself and base/: folders, or single headers.
MAY_INCLUDE = {
    "base": [],
    "gguf": [],
    "kernels": ["gguf/tensor_type.h"],
    "cache": [],
    "text/jinja": [],
    "text": ["gguf", "text/jinja"],
    "reply": [],
    "model/repack": [],
    "model": ["gguf", "kernels"],
    "tier": ["cache/ids.h", "cache/block_name.h", "kernels/kv_view.h"],
    "sched": ["cache"],
    "plan": ["cache", "sched", "gguf", "model/config.h", "model/forward_memory.h",
             "kernels/kv_view.h", "kernels/matmul.h"],
    "grammar": [],
    "session": ["cache/ids.h", "cache/block_name.h"],
    "ledger": [],
    "lever": ["ledger"],
    "engine": ["sched", "cache", "tier", "model", "text", "grammar", "kernels/kv_view.h",
               "kernels/numerics.h"],
    "server": ["engine", "text", "grammar", "reply", "session", "ledger", "lever",
               "model/sampler.h", "kernels/dispatch.h",
               "kernels/numerics.h"],
}

# Planes that must stay pure: no pointer to KV bytes, no clock, no thread, no I/O.
PURE_FOLDERS = ("cache", "sched")
PURE_BANS = ["<thread>", "<chrono>", "<mutex>", "<atomic>", "<fstream>", "<iostream>", "<cstdio>",
             "<random>", "kernels/kv_view.h"]

MAX_LINE = 100
MAX_FUNCTION = 70
MAX_HEADER = 250
MAX_SOURCE = 600
MAX_KERNEL = 800

KERNELS_ONLY = ("src/kernels",)
# pattern, where it is banned (prefixes), what to do instead.
BANNED = [
    (r"\bTODO\b|\bFIXME\b|\bXXX\b", ("src", "apps", "tests", "bench", "fuzz", "tools"),
     "finish it or leave it out"),
    (r"\bclass \w*Manager\b", ("src", "apps"), "name what it does"),
    (r"\busing namespace std;", ("src", "apps", "tests"), "write std::"),
    (r"(?<![_\w])assert\(", ("src", "apps"), "QUIRE_CHECK, which stays on in every build"),
    (r"#define private public", ("src", "apps", "tests"), "test through the contract"),
    (r"\bstd::(regex|wregex)\b", ("src", "apps"), "PCRE2"),
    (r"(?<![\w.:])(rand|srand|drand48)\s*\(", ("src", "apps"), "a seeded generator"),
    (r"\bstrtok\b|\bgets\s*\(|\bsprintf\s*\(|\bstrcpy\s*\(", ("src", "apps"), "fmt or std::string"),
    (r"_mm\d*_(rsqrt|rcp|maskz_rcp|mask_rcp|rsqrt14|rcp14)\w*", ("src",),
     "divide and take square roots: approximations differ between CPUs"),
    (r"_mm\d*_dpbf16_ps", ("src",), "widen to float32"),
    (r"\bstd::(exp|expf|exp2|log|logf|sin|cos|tanh|sinf|cosf|pow|powf)\b",
     KERNELS_ONLY, "the kernels' own functions: libm's bits differ between systems"),
    (r"\bstd::this_thread::sleep_for\b", ("src",), "wait for an event"),
    (r"\bstd::cout\b|\bstd::cerr\b|\bprintf\s*\(", ("src/cache", "src/sched", "src/model",
     "src/text", "src/gguf", "src/engine", "src/server", "src/tier"), "base/log.h or a Result"),
    (r"-ffast-math|-Ofast|-funsafe-math", ("src", "cmake", "apps"), "law 2 forbids it"),
]
BANNED_FILES = {"utils.h", "util.h", "common.h", "types.h", "helpers.h", "misc.h"}


def tracked(root):
    for top in ("src", "apps", "tests", "bench", "fuzz"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in (".h", ".cc") and "corpus" not in path.parts:
                yield path


def strip(text):
    """Blanks comments and literals, keeping line structure."""
    pattern = re.compile(
        r'R"(\w*)\((?:.|\n)*?\)\1"|//[^\n]*|/\*(?:.|\n)*?\*/|"(?:\\.|[^"\\\n])*"|'
        r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])*'")
    def blank(match):
        kept = "\n" * match.group(0).count("\n")
        return '""' + kept if match.group(0)[0] in "R\"" else kept
    return pattern.sub(blank, text)


def functions(text):
    """Yields (first line, last line) of every function body in comment-free text."""
    stack, line, head = [], 1, ""
    head_line = 1
    for ch in text:
        if ch == "\n":
            line += 1
            if not head.strip():
                head_line = line
            head += " "
            continue
        if ch == "{":
            # A body follows ")" with what may stand between; an initialiser or a scope does not.
            is_function = bool(re.search(
                r"\)\s*(const|noexcept|override|final|mutable|&|&&|\s|->\s*[\w:<>,\s*&]+|"
                r":\s*\w+[({].*)*\s*$", head)) and not re.search(r"^\s*(namespace|enum)\b", head)
            inside_function = any(kind == "function" for kind, _ in stack)
            kind = "function" if is_function and not inside_function else "scope"
            stack.append((kind, head_line))
            head, head_line = "", line
        elif ch == "}":
            if stack:
                kind, first = stack.pop()
                if kind == "function":
                    yield first, line
            head, head_line = "", line
        elif ch == ";" and head.count("(") <= head.count(")"):
            head, head_line = "", line
        else:
            if not head.strip():
                head_line = line
            head += ch


def folder_of(relative):
    parts = relative.parts[1:-1]
    joined = "/".join(parts)
    for name in sorted(MAY_INCLUDE, key=len, reverse=True):
        if joined == name or joined.startswith(name + "/"):
            return name
    return parts[0] if parts else ""


def check_includes(relative, text, report):
    if relative.parts[0] != "src" or relative.name.endswith("_test.cc"):
        return
    folder = folder_of(relative)
    if folder not in MAY_INCLUDE:
        report(1, f"folder src/{folder} is not in the include table of tools/tidy.py")
        return
    allowed = MAY_INCLUDE[folder] + [folder, "base"]
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#include\s+"([^"]+)"', line)
        if not match:
            continue
        target = match.group(1)
        ok = any(target == entry or target.startswith(entry + "/") for entry in allowed)
        if folder == "text/jinja" and target.startswith("text/") and \
                not target.startswith("text/jinja/"):
            ok = False
        if not ok:
            report(number, f'{folder}/ may not include "{target}" (table in docs/architecture.md)')


def check_sizes(relative, text, report):
    lines = text.count("\n")
    is_test = relative.name.endswith("_test.cc") or relative.parts[0] != "src"
    if relative.suffix == ".h":
        limit = MAX_KERNEL if relative.parts[:2] == ("src", "kernels") else MAX_HEADER
    else:
        limit = MAX_KERNEL if relative.parts[:2] == ("src", "kernels") or is_test else MAX_SOURCE
    if lines > limit:
        report(1, f"{lines} lines; at most {limit}: split it by noun")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_LINE and '"' not in line and "http" not in line:
            report(number, f"{len(line)} columns; at most {MAX_LINE}")
    for first, last in functions(strip(text)):
        if last - first + 1 > MAX_FUNCTION:
            report(first, f"function of {last - first + 1} lines; at most {MAX_FUNCTION}")


def check_words(relative, text, report):
    posix = relative.as_posix()
    is_test = relative.name.endswith("_test.cc")
    for pattern, places, instead in BANNED:
        if is_test and places == KERNELS_ONLY:
            continue  # a test may compare with libm
        if not any(posix == p or posix.startswith(p + "/") for p in places):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            code = line.split("//")[0] if "TODO" not in pattern else line
            if re.search(pattern, code):
                report(number, f"{line.strip()[:60]!r} is banned: {instead}")
    if relative.name in BANNED_FILES:
        report(1, f"no {relative.name}: one noun per file")
    if relative.parts[0] == "src" and relative.parts[1] in PURE_FOLDERS and \
            not relative.name.endswith("_test.cc"):
        for number, line in enumerate(text.splitlines(), 1):
            for ban in PURE_BANS:
                if re.match(r"\s*#include\s+[<\"]" + re.escape(ban.strip("<>")) + r"[>\"]", line):
                    report(number, f"{relative.parts[1]}/ has no clock, thread, I/O or KV bytes")


def check_header(relative, text, report):
    if relative.suffix != ".h" or relative.parts[0] != "src":
        return
    wanted = "// " + "/".join(relative.parts[1:]) + " -- "
    if not text.startswith(wanted):
        report(1, f"first line must be '{wanted}what it answers'")
    if "#pragma once" not in text:
        report(1, "no #pragma once")


def main():
    parser = argparse.ArgumentParser(description="Checks the rules of the house.")
    parser.add_argument("--root", type=pathlib.Path,
                        default=pathlib.Path(__file__).resolve().parent.parent)
    root = parser.parse_args().root
    findings = []
    for path in tracked(root):
        relative = path.relative_to(root)
        text = path.read_text(encoding="utf-8")
        def report(number, message, name=relative.as_posix()):
            findings.append(f"{name}:{number}: {message}")
        check_includes(relative, text, report)
        check_sizes(relative, text, report)
        check_words(relative, text, report)
        check_header(relative, text, report)
    for finding in findings:
        print(finding)
    print(f"tidy: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
