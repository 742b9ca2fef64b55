# shellcheck shell=bash
# shellcheck disable=SC2034  # names for the commands
# What the commands of mutations.yml may use.
set -eu
blog=/etc/apache2/sites-available/zz-palisade-blog.conf
front=/etc/apache2/sites-available/zz-palisade-front.conf
server=/etc/apache2/conf-available/zz-palisade.conf
default=/etc/apache2/sites-available/zz-palisade-0-default.conf
certificate=/etc/palisade-mod_wsgi/tls/shared.test
tls=/etc/apache2/conf-available/zz-palisade-tls.inc
module=$(readlink -f /usr/lib/apache2/modules/mod_wsgi.so)
kept=/run/mutations

# keep FILE: for restore.
keep() { [[ -e $kept$1 ]] || { mkdir -p "$kept" && cp --archive --parents "$1" "$kept"; }; }

# edit FILE SED...: with the time that it had, as the audit compares that with Apache's start; nothing to change is an error.
edit() {
  local file=$1 before
  keep "$file"
  shift
  before=$(<"$file")
  sed -i -E "$@" "$file"
  touch --reference "$kept$file" "$file"
  if [[ $(<"$file") == "$before" ]]; then
    echo "nothing to change in $file" >&2
    return 1
  fi
}

# add FILE LINE: at its end.
add() { edit "$1" "\$a $2"; }

# option FILE OPTION: to a pool, in place of the one of that name.
option() { edit "$1" "/WSGIDaemonProcess/{s# ${2%%=*}=[^ ]*##;s#\$# $2#}"; }

# without FILE OPTION: takes one off a pool.
without() { edit "$1" "/WSGIDaemonProcess/s# $2=[^ ]*##"; }

# enable MODULE, disable MODULE: for Apache's check; the running one does not have it.
enable() { ln -s "../mods-available/$1.load" /etc/apache2/mods-enabled/; }
disable() { rm "/etc/apache2/mods-enabled/$1.load"; }

# The virtual environment of an app, and its packages.
venv() { realpath "/var/lib/$1-app/current/venv"; }
packages() { realpath "$(venv "$1")"/lib/python3*/site-packages; }

# unit SETTING: of Apache's service, for systemd to know, without a restart; no_unit takes it back.
unit() {
  printf '[Service]\n%s\n' "$1" >/etc/systemd/system/apache2.service.d/zzz.conf
  systemctl daemon-reload
}
no_unit() {
  rm /etc/systemd/system/apache2.service.d/zzz.conf
  systemctl daemon-reload
}

# restore: everything as it was.
restore() {
  [[ ! -d $kept ]] || cp --archive "$kept/." /
  rm -rf "$kept"
}
