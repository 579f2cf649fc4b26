"""The alert rules, with Debian's promtool: valid, and each fires in time and not before."""
import pathlib
import re
import subprocess

DEPLOY = pathlib.Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus" / "quire-alerts.yml"


def test_rules_and_configuration_are_valid():
    for what, file in (("rules", RULES), ("config", DEPLOY / "prometheus" / "prometheus.yml")):
        done = subprocess.run(["promtool", "check", what, str(file)], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_every_alert_fires_in_time_and_not_before():
    cases = pathlib.Path(__file__).parent / "alerts_test.yml"
    done = subprocess.run(["promtool", "test", "rules", cases.name], cwd=cases.parent,
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    alerts = re.findall(r"alert: (\w+)", RULES.read_text())
    assert sorted(alerts) == sorted(re.findall(r"name: (\w+)", cases.read_text()))
