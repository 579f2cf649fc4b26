"""tools/tidy.py finds each kind of violation in a small tree, where it is, and nothing else."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

TIDY = pathlib.Path(__file__).resolve().parents[2] / "tools" / "tidy.py"
HEADER = "// base/check.h -- whether it holds.\n#pragma once\n"


class TidyTest(unittest.TestCase):
    def findings(self, **files):
        """The findings in a tree of these files; '__' in a name stands for '/', '_dot_' for '.'."""
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root, name.replace("__", "/").replace("_dot_", "."))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            result = subprocess.run([sys.executable, TIDY, "--root", root], capture_output=True,
                                    text=True, check=False)
        lines = result.stdout.splitlines()
        self.assertEqual(lines[-1], f"tidy: {len(lines) - 1} findings", result.stderr)
        self.assertEqual(result.returncode, 1 if len(lines) > 1 else 0)
        return lines[:-1]

    def one(self, where, word, **files):
        found = self.findings(**files)
        self.assertEqual(len(found), 1, found)
        self.assertTrue(found[0].startswith(where + ":"), found)
        self.assertIn(word, found[0])

    def test_clean_tree(self):
        self.assertEqual(self.findings(src__base__check_dot_h=HEADER), [])

    def test_includes(self):
        self.one("src/cache/a.cc:2", 'cache/ may not include "model/model.h"',
                 src__cache__a_dot_cc='#include "cache/b.h"\n#include "model/model.h"\n')
        self.one("src/text/jinja/a.cc:1", "text/jinja",
                 src__text__jinja__a_dot_cc='#include "text/tokenizer.h"\n')
        self.one("src/tier/a.cc:1", "tier/", src__tier__a_dot_cc='#include "cache/block_pool.h"\n')
        self.one("src/new/a.cc:1", "not in the include table", src__new__a_dot_cc="int a;\n")
        self.assertEqual(self.findings(
            src__tier__a_dot_cc='#include "cache/ids.h"\n#include "base/check.h"\n',
            src__cache__a_test_dot_cc='#include "model/model.h"\n',
            apps__a_dot_cc='#include "model/model.h"\n'), [])

    def test_pure_folders(self):
        self.one("src/sched/a.cc:1", "no clock", src__sched__a_dot_cc="#include <chrono>\n")
        self.one("src/cache/a.cc:1", "no clock", src__cache__a_dot_cc="#include <mutex>\n")
        self.assertEqual(self.findings(src__engine__a_dot_cc="#include <mutex>\n"), [])

    def test_file_sizes(self):
        self.one("src/base/a.cc:1", "601 lines", src__base__a_dot_cc="int a;\n" * 601)
        self.one("src/base/check.h:1", "251 lines", src__base__check_dot_h=HEADER + "\n" * 249)
        self.one("src/kernels/a.cc:1", "801 lines", src__kernels__a_dot_cc="int a;\n" * 801)
        self.assertEqual(self.findings(src__base__a_dot_cc="int a;\n" * 600,
                                       src__kernels__a_dot_cc="int a;\n" * 800), [])

    def test_line_and_function_sizes(self):
        self.one("src/base/a.cc:2", "101 columns", src__base__a_dot_cc="\n" + "a" * 101 + "\n")
        long = "namespace quire {\nint F(int a) {\n" + "  a += 1;\n" * 68 + "  return a;\n}\n}\n"
        self.one("src/base/a.cc:2", "function of 71 lines", src__base__a_dot_cc=long)
        self.assertEqual(self.findings(
            src__base__a_dot_cc=long.replace("  a += 1;\n", "", 1)), [])

    def test_banned_words(self):
        # Cut in two, so that this file is not a finding itself.
        cases = [
            ("src/base", "// TO" "DO: later\n", "finish it"),
            ("apps", "class Block" "Manager {};\n", "name what it does"),
            ("tests/x", "using namespace " "std;\n", "write std::"),
            ("src/base", "void F() { assert" "(true); }\n", "QUIRE_CHECK"),
            ("tests/x", "#define private " "public\n", "contract"),
            ("src/text", "std::reg" "ex r;\n", "PCRE2"),
            ("src/base", "int a = ra" "nd();\n", "seeded"),
            ("src/base", "void F() { spr" "intf(b, c); }\n", "fmt"),
            ("src/kernels", "auto a = _mm512_rsq" "rt14_ps(b);\n", "divide"),
            ("src/kernels", "auto a = _mm512_dpbf" "16_ps(b, c, d);\n", "float32"),
            ("src/kernels", "float a = std::ex" "p(b);\n", "libm"),
            ("src/engine", "std::this_thread::sle" "ep_for(a);\n", "wait for an event"),
            ("src/engine", "std::co" "ut << 1;\n", "base/log.h"),
            ("apps", "int a = OPTION(-Ofa" "st);\n", "law 2"),
        ]
        for place, text, word in cases:
            with self.subTest(text=text):
                name = place.replace("/", "__") + "__a_dot_cc"
                self.one(place + "/a.cc:1", word, **{name: text})
        self.assertEqual(self.findings(
            src__kernels__a_test_dot_cc="float a = std::ex" "p(b);\n",
            src__base__b_dot_cc="static_assert(true);\n// std::reg" "ex is slow\n"), [])

    def test_headers(self):
        self.one("src/base/check.h:1", "first line must be",
                 src__base__check_dot_h="// check.h\n#pragma once\n")
        self.one("src/base/check.h:1", "no #pragma once",
                 src__base__check_dot_h=HEADER.splitlines()[0] + "\n")
        self.one("src/base/utils.h:1", "one noun per file",
                 src__base__utils_dot_h="// base/utils.h -- all sorts.\n#pragma once\n")


if __name__ == "__main__":
    unittest.main()
