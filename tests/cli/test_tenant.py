"""quire tenant: the tenants file as people and scripts change it."""
import hashlib
import re
import stat
import threading

FILE = "t.toml"


def add(quire, name, *flags):
    done = quire("tenant", "add", name, "--tenants", FILE, *flags)
    assert done.returncode == 0, done.stderr
    return done.stdout.decode()


def test_add_makes_the_file_and_prints_the_key_alone(quire, tmp_path):
    out = add(quire, "acme", "--weight", "2", "--kv-guaranteed", "256MiB", "--kv-limit", "1GiB",
              "--kv-pinned", "1MiB", "--disk-limit", "8GiB", "--max-concurrent", "16",
              "--max-context", "32768", "--tokens-per-minute", "200000", "--admin")
    key = out.splitlines()[-1]
    assert re.fullmatch(r"quire-[A-Za-z0-9_-]{43}", key) and out == key + "\n"
    text = (tmp_path / FILE).read_text()
    assert key not in text and hashlib.blake2b(key.encode(), digest_size=32).hexdigest() in text
    for line in ("weight = 2", 'kv_guaranteed = "256MiB"', 'kv_limit = "1GiB"',
                 'kv_pinned = "1MiB"', 'disk_limit = "8GiB"', "max_concurrent = 16",
                 "max_context = 32768", "tokens_per_minute = 200000", "admin = true"):
        assert line in text, line
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_ls_rm_and_purge_keep_comments(quire, tmp_path):
    key = add(quire, "acme").strip()
    path = tmp_path / FILE
    path.write_text("# ours\n" + path.read_text() + "# the next one pays\n")
    add(quire, "beta", "--kv-limit", "1GiB")
    listed = quire("tenant", "ls", "--tenants", FILE).stdout.decode()
    assert "acme" in listed and "beta" in listed and "1 GiB" in listed and key not in listed
    before = re.findall(r"generation = (\d+)", path.read_text())
    assert quire("tenant", "purge", "acme", "--tenants", FILE).returncode == 0
    after = re.findall(r"generation = (\d+)", path.read_text())
    assert int(after[0]) > int(before[0]) and after[1] == before[1]
    assert quire("tenant", "rm", "acme", "--tenants", FILE).returncode == 0
    text = path.read_text()
    assert "acme" not in text and "beta" in text
    assert "# ours" in text and "# the next one pays" in text


def test_refusals(quire, tmp_path):
    add(quire, "acme")
    for arguments, code, word in (
            (("add", "acme"), 1, b"already"), (("add", "a b"), 2, b"letters"),
            (("add", "public"), 2, b"public"), (("rm", "none"), 1, b"none"),
            (("purge", "none"), 1, b"none"), (("add", "b", "--weight", "0"), 2, b"weight"),
            (("add", "b", "--kv-limit", "1GB"), 2, b"kv-limit"),
            (("add", "b", "--kv-limit", "1MiB", "--kv-guaranteed", "2MiB"), 2, b"kv_guaranteed"),
            ((), 2, b""), (("add",), 2, b"NAME")):
        done = quire("tenant", *arguments, *(("--tenants", FILE) if arguments else ()))
        assert done.returncode == code and word in done.stderr, (arguments, done)
        assert not done.stdout
    (tmp_path / FILE).write_text("[[tenant]]\nname = 1\n")
    done = quire("tenant", "ls", "--tenants", FILE)
    assert done.returncode == 2 and b"t.toml:2: name must be a text" in done.stderr
    assert quire("tenant", "ls", "--tenants", "none.toml").returncode == 1


def test_the_file_may_be_named_by_the_environment(quire, tmp_path):
    env = {"QUIRE_TENANTS": str(tmp_path / "deep" / "env.toml")}
    assert quire("tenant", "add", "acme", env=env).returncode == 0
    assert (tmp_path / "deep" / "env.toml").exists()
    env = {"XDG_CONFIG_HOME": str(tmp_path / "config"), "QUIRE_TENANTS": ""}
    assert quire("tenant", "add", "acme", env=env).returncode == 0
    assert (tmp_path / "config" / "quire" / "tenants.toml").exists()


def test_changes_at_once_are_all_kept(quire, tmp_path):
    threads = [threading.Thread(target=add, args=(quire, f"t{i}")) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(re.findall("name =", (tmp_path / FILE).read_text())) == 12


def test_serve_refuses_a_broken_file(quire, model, tmp_path):
    (tmp_path / FILE).write_text('[[tenant]]\nname = "a"\nkey_hashes = []\nkv_limt = "1GiB"\n')
    done = quire("serve", model, "--tenants", FILE, "--port", "0")
    assert done.returncode == 2 and b'tenant "a": there is no field \'kv_limt\'' in done.stderr
    assert quire("serve", model, "--tenants", "none", "--port", "0").returncode == 1
