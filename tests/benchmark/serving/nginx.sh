# shellcheck shell=bash
# nginx in front of gunicorn, with as many processes and threads.
mkdir -p /srv/hello
cp /root/hello.py /srv/hello/
cat >/etc/systemd/system/hello.service <<'UNIT'
[Service]
User=www-data
RuntimeDirectory=hello
WorkingDirectory=/srv/hello
ExecStart=/usr/bin/gunicorn --workers 2 --threads 15 --worker-class gthread --keep-alive 75 --bind unix:/run/hello/socket hello:application
UNIT
cat >/etc/nginx/sites-available/default <<'CONF'
upstream hello {
    server unix:/run/hello/socket;
    keepalive 16;
}
server {
    listen 80 default_server;
    server_name hello.test;
    access_log /var/log/nginx/access.log combined;
    location / {
        proxy_pass http://hello;
        proxy_http_version 1.1;
        proxy_set_header Connection "";
        proxy_set_header Host $host;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
}
CONF
systemctl daemon-reload
systemctl start hello
systemctl restart nginx
