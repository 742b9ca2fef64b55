"""Two repositories and an Apache that was set up by hand live on one host."""

from __future__ import annotations

from testinfra.host import Host

FINGERPRINT = "python3 /root/fingerprint.py"


def test_what_was_there_before_is_as_it_was(host: Host) -> None:
    answers = "--answer intranet.test --answer wiki.test --answer unknown.test"
    found = host.run(f"{FINGERPRINT} {answers} --compare /root/theirs /srv /etc/apache2").stdout.splitlines()
    # Ours, and what the package of mod_qos brings and does not enable.
    ours = ("/zz-palisade", "/palisade_qos.load", "/mods-available/qos.")
    assert [line for line in found if not (line.startswith("+ ") and any(name in line for name in ours))] == []
    assert "+ /etc/apache2/sites-available/zz-palisade-shop.conf" in "\n".join(found)


def test_answers_of_theirs_mean_what_they_say(host: Host) -> None:
    answers = host.check_output(f"{FINGERPRINT} --answer unknown.test --answer wiki.test /nothing").splitlines()
    assert "their intranet" in answers[0]
    assert "their wiki" in answers[1]


def test_their_module_and_configuration_are_live(host: Host) -> None:
    program = "import urllib.request as r; print(r.urlopen('http://127.0.0.1/').headers['X-Theirs'])"
    assert host.check_output("python3 -c %s", program) == "yes"


def test_other_repository_is_as_it_was(host: Host) -> None:
    places = "'/var/*/books*' '/etc/*/*books*' '/etc/apache2/*/*books*'"
    assert host.check_output(f"{FINGERPRINT} --answer books.test --compare /root/books {places}") == ""


def test_changed_repository_is_live(host: Host) -> None:
    assert "threads=3 " in host.file("/etc/apache2/sites-enabled/zz-palisade-shop.conf").content_string
    assert "hello from shop-app" in host.check_output(f"{FINGERPRINT} --answer shop.test /nothing")
