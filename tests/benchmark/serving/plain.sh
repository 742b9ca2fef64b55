# shellcheck shell=bash
# A site as tutorials set it up: Debian's Apache and mod_wsgi in daemon mode, nothing else changed.
mkdir -p /var/www/hello
cp /root/hello.py /var/www/hello/
python3 -m venv --without-pip /var/www/hello/venv
cat >/etc/apache2/sites-available/hello.conf <<'CONF'
<VirtualHost *:80>
    ServerName hello.test
    WSGIDaemonProcess hello user=www-data group=www-data processes=2 threads=15 python-home=/var/www/hello/venv python-path=/var/www/hello
    WSGIProcessGroup hello
    WSGIApplicationGroup %{GLOBAL}
    WSGIScriptAlias / /var/www/hello/hello.py
    <Directory /var/www/hello>
        Require all granted
    </Directory>
    ErrorLog ${APACHE_LOG_DIR}/error.log
    CustomLog ${APACHE_LOG_DIR}/access.log combined
</VirtualHost>
CONF
a2dissite -q 000-default
a2ensite -q hello
systemctl restart apache2
