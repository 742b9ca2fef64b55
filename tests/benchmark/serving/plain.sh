# shellcheck shell=bash
# A site as tutorials set it up: Debian's Apache and mod_wsgi in daemon mode, nothing else changed.
mkdir -p /srv/hello
cp /root/hello.py /srv/hello/
python3 -m venv --without-pip /srv/hello/venv
cat >/etc/apache2/sites-available/hello.conf <<'CONF'
<VirtualHost *:80>
    ServerName hello.test
    WSGIDaemonProcess hello user=www-data group=www-data processes=2 threads=15 python-home=/srv/hello/venv python-path=/srv/hello
    WSGIProcessGroup hello
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / /srv/hello/hello.py
    <Directory /srv/hello>
        Require all granted
    </Directory>
    ErrorLog ${APACHE_LOG_DIR}/error.log
    CustomLog ${APACHE_LOG_DIR}/access.log combined
</VirtualHost>
CONF
a2dissite -q 000-default
a2ensite -q hello
systemctl restart apache2
