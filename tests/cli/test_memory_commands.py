"""quire cache and quire session where there is nothing to show."""


def test_a_folder_without_kv_is_named(quire, tmp_path):
    for command in ("ls", "verify", "purge"):
        result = quire("cache", command, "--data", tmp_path / "none")
        assert result.returncode == 1, command
        assert b"there is no KV in" in result.stderr and b"--data" in result.stderr
        assert result.stdout == b""
    assert not (tmp_path / "none").exists()


def test_no_table_of_sessions_without_an_answer(quire, free_port):
    result = quire("session", "ls", "--server", f"http://127.0.0.1:{free_port}")
    assert result.returncode == 1
    assert result.stdout == b"" and b"no answer from" in result.stderr
