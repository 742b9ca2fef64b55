#!/usr/bin/env bash
# Sets up the apps shop and forum, with a worker of forum's, on Debian 12 as common tutorials do, with what VARIANTS in hosts.py
# says of the variant.
# Usage: tutorial.sh VARIANT SECRET
# The apps' files are in /root/app. Everything is made anew, also where an attack left something behind.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
variant=$1 secret=$2

command -v apache2 >/dev/null || {
  apt-get install -y --no-install-recommends apache2 libapache2-mod-wsgi-py3 python3-venv
  a2enmod headers
  a2dissite 000-default
  for app in shop forum; do
    python3 -m venv --without-pip "/root/venvs/$app"
    useradd --create-home "$app"
  done
}

accounts() { [[ $variant =~ ^(accounts|pool-from-environment|pool-from-host)$ ]]; }

systemctl stop forum-worker 2>/dev/null || true
# Apache would wait three seconds for its daemons.
systemctl stop --no-block apache2
pkill -KILL -f '^[(]wsgi:' || true
systemctl stop apache2
systemctl reset-failed apache2 2>/dev/null || true
rm -rf /var/www /tmp/systemd-private-*/tmp/* /etc/cron.d/planted /etc/apache2/sites-enabled/* /etc/apache2/conf-enabled/tutorial.conf

for app in shop forum; do
  mkdir -p "/var/www/$app/uploads" "/var/www/$app/logs"
  cp -r /root/app/* "/root/venvs/$app" "/var/www/$app/"
  mv "/var/www/$app/$app" "/var/www/$app/venv"
  sed -i "s|/root/venvs/$app|/var/www/$app/venv|g" "/var/www/$app/venv/pyvenv.cfg"
  cat >"/var/www/$app/wsgi.py" <<PYTHON
import os
import sys

sys.path.insert(0, "/var/www/$app")
with open("/var/www/$app/.env") as lines:
    for line in lines:
        name, _, value = line.strip().partition("=")
        os.environ[name] = value

from probe import application
PYTHON
  echo "PROBE_TARGET=echo:application" >"/var/www/$app/.env"
done
if accounts; then
  chown -R shop:shop /var/www/shop
  chown -R forum:forum /var/www/forum
else
  chown -R www-data:www-data /var/www
fi
echo "SHOP_SECRET=$secret" >>/var/www/shop/.env
sed -i '/SHOP_SECRET/d' /etc/apache2/envvars
# Where all apps are in one process, an attack finds it without.
[[ $variant == embedded ]] || echo "export SHOP_SECRET=$secret" >>/etc/apache2/envvars

pool() {
  case $variant in
    embedded) ;;
    pool-from-host) echo "WSGIDaemonProcess $1.test python-home=/var/www/$1/venv display-name=(wsgi:$1) user=$1 group=$1" ;;
    *) echo "WSGIDaemonProcess $1 python-home=/var/www/$1/venv display-name=(wsgi:$1)$(! accounts || echo " user=$1 group=$1")" ;;
  esac
}

group() {
  case $variant in
    embedded) ;;
    pool-from-host) echo 'WSGIProcessGroup %{HOST}' ;;
    pool-from-environment) printf 'SetEnv POOL %s\n    WSGIProcessGroup %%{ENV:POOL}\n' "$1" ;;
    *) echo "WSGIProcessGroup $1" ;;
  esac
}

port() { if [[ $variant == pool-from-host && $1 == shop ]]; then echo 8080; else echo 80; fi; }

for app in shop forum; do
  cat >"/etc/apache2/sites-available/$app.conf" <<APACHE
$(pool $app)
<VirtualHost *:$(port $app)>
    ServerName $app.test
    DocumentRoot /var/www/$app
    $(group $app)
    WSGIScriptAlias / /var/www/$app/wsgi.py
    WSGIPassAuthorization On
    Alias /static /var/www/$app/static
    Alias /uploads /var/www/$app/uploads
    <Directory /var/www/$app>
        Options Indexes FollowSymLinks ExecCGI
        AddHandler wsgi-script .wsgi
        AllowOverride All
        Require all granted
    </Directory>
    ErrorLog /var/www/$app/logs/error.log
    CustomLog /var/www/$app/logs/access.log combined
</VirtualHost>
APACHE
  ln -s "../sites-available/$app.conf" /etc/apache2/sites-enabled/
done

case $variant in
  core-dumps) echo 'CoreDumpDirectory /tmp' ;;
  no-limits) printf '%s\n' 'RequestReadTimeout header=0 body=0' 'Timeout 300' 'LimitRequestFields 0' 'LimitRequestFieldSize 131072' 'WSGIChunkedRequest On' ;;
  proxy-header) echo "SetEnvIf Proxy (.*) HTTP_PROXY=\$1" ;;
  pool-from-host)
    echo 'Listen 8080'
    sed -i '/ServerName/a ServerAlias *' /etc/apache2/sites-available/forum.conf
    ;;
esac >/etc/apache2/conf-enabled/tutorial.conf
cat >/etc/systemd/system/forum-worker.service <<UNIT
[Service]
WorkingDirectory=/var/www/forum
EnvironmentFile=/var/www/forum/.env
# Root's bytecode would keep forum from an attack of its own.
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart=/var/www/forum/venv/bin/python worker.py
KillMode=process
UNIT
systemctl daemon-reload
systemctl start apache2 forum-worker
