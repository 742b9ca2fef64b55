#!/bin/sh
# A repository with two tags that the account git serves over SSH, and the archives over TLS by an authority of this host's own.
set -e

useradd --system --home-dir /srv/git --create-home --shell "$(command -v git-shell)" git
install -d -o git -g git -m 0700 /srv/git/.ssh
install -o git -g git -m 0600 /srv/key.pub /srv/git/.ssh/authorized_keys
chmod 0755 /srv/git
systemctl start ssh

export GIT_AUTHOR_NAME=dev GIT_AUTHOR_EMAIL=dev@localhost GIT_COMMITTER_NAME=dev GIT_COMMITTER_EMAIL=dev@localhost
git init --quiet --initial-branch main /srv/work
cd /srv/work
for number in 1 2; do
  name=$(echo one two | cut -d ' ' -f "$number")
  cp -r "/srv/variants/$name/." .
  git add --all
  git commit --quiet --message "Release $name"
  git tag --annotate --message "Version $number" "v$number"
done
git clone --quiet --bare /srv/work /srv/git/site.git
# The branch is behind: somebody will push.
git --git-dir /srv/git/site.git update-ref refs/heads/main 'v1^{commit}'
chown -R git: /srv/git/site.git

install -d -m 0700 /srv/tls
cd /srv/tls
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=lab \
  -addext keyUsage=critical,keyCertSign,cRLSign 2>/dev/null
openssl req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost 2>/dev/null
printf 'subjectAltName=DNS:localhost\nauthorityKeyIdentifier=keyid\n' >names
openssl x509 -req -in request.pem -CA ca.crt -CAkey ca.key -CAcreateserial -days 1 -extfile names -out cert.pem 2>/dev/null
cp ca.crt /etc/ssl/certs/lab.pem
ln -s lab.pem "/etc/ssl/certs/$(openssl x509 -hash -noout -in ca.crt).0"
cat >/srv/tls/serve.py <<'PYTHON'
import http.server
import ssl


class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *arguments, **words):
        super().__init__(*arguments, directory="/srv/variants", **words)

    def log_message(self, *_arguments):
        """Not log what is asked for: the test looks for it in the journal."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/srv/tls/cert.pem", "/srv/tls/key.pem")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
PYTHON
systemd-run --quiet --unit archives python3 /srv/tls/serve.py
