"""Repacked weights are kept between starts; nothing that is wrong with them changes an answer."""
import re
import resource
import shutil
import subprocess

import pytest

from conftest import BINARY, Serving, environment

ASK = ("-p", "The capital of France is", "-n", "4", "--temperature", "0", "--logit-hash")


@pytest.fixture
def answer(quire, model):
    def ask(folder, **more):
        ran = quire("run", model, *ASK, "--repack-dir", folder, **more)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout, ran.stderr.decode()
    return ask


def only_file(folder):
    files = list(folder.glob("*.repacked"))
    assert len(files) == 1
    return files[0]


def test_the_same_bits_repacked_and_found(answer, tmp_path):
    kept = tmp_path / "kept"
    plain = answer("off")
    assert answer(kept) == plain
    first = only_file(kept).stat()
    assert answer(kept) == plain
    assert only_file(kept).stat().st_ino == first.st_ino, "it was written again"
    assert answer("0") == plain


def test_off_keeps_nothing_and_auto_follows_the_cache_folder(quire, model, tmp_path):
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    assert quire("run", model, *ASK, "--repack-dir", "off", env=env).returncode == 0
    assert not (tmp_path / "cache").exists()
    assert quire("run", model, *ASK, "--repack-dir", "auto", env=env).returncode == 0
    only_file(tmp_path / "cache" / "quire" / "repacked")


def test_damage_is_one_warning(answer, tmp_path):
    kept = tmp_path / "kept"
    plain = answer(kept)[0]
    file = only_file(kept)
    good = file.read_bytes()
    for at in (3, 70, len(good) // 2, len(good) - 1):
        file.write_bytes(good[:at] + bytes([good[at] ^ 8]) + good[at + 1:])
        out, err = answer(kept)
        assert out == plain
        assert err.count("quire: warning: ") == 1 and str(file) in err
        assert file.read_bytes() == good
        assert answer(kept) == (plain, "")


def test_no_room_is_one_warning(answer, tmp_path):
    def full_disk():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    plain = answer("off")[0]
    kept = tmp_path / "kept"
    out, err = answer(kept, preexec_fn=full_disk)
    assert out == plain
    assert err.count("quire: warning: ") == 1 and "File too large" in err
    assert not list(kept.glob("*.repacked*"))
    (tmp_path / "file").write_text("no folder")
    for folder in (tmp_path / "file", "/proc/nobody-makes-this"):
        out, err = answer(folder)
        assert out == plain
        assert err.count("quire: warning: ") == 1 and str(folder) in err


def test_two_first_starts_at_once(model, tmp_path):
    kept = tmp_path / "kept"
    command = [BINARY, "run", model, *ASK, "--repack-dir", kept]
    started = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, cwd=tmp_path) for _ in range(3)]
    answers = {process.communicate(timeout=60) for process in started}
    assert len(answers) == 1 and answers.pop()[1] == b""
    only_file(kept)
    assert len(list(kept.iterdir())) == 2  # and the digests


def test_a_model_replaced_in_place(quire, model, tmp_path):
    copy = tmp_path / "copy.gguf"
    shutil.copy(model, copy)
    kept = tmp_path / "kept"

    def ask():
        ran = quire("run", copy, *ASK, "--repack-dir", kept)
        assert (ran.returncode, ran.stderr) == (0, b"")
        return ran.stdout
    before = ask()
    with copy.open("r+b") as file:
        file.seek(-1 << 20, 2)
        tail = file.read(1 << 16)
        file.seek(-len(tail), 1)
        file.write(bytes(byte ^ 1 for byte in tail))
    assert ask() != before
    assert len(list(kept.glob("*.repacked"))) == 2
    assert ask() != before


def test_serve_says_what_it_uses(model, tmp_path):
    kept = tmp_path / "kept"
    for word in ("repacked, kept in", "from"):
        serving = Serving(model, "--repack-dir", kept, "--repack-limit", "1GiB", cwd=tmp_path)
        assert serving.stop() == 0
        text = serving.log
        assert re.search(rf"weights: .* {word} {kept}/\w+-v\d+\.repacked", text), text
        assert "its folder holds 1 file," in text and "of at most 1 GiB" in text
        assert re.search(r"started in \d+\.\d\d s: file .*, weights .*, engine", text)
