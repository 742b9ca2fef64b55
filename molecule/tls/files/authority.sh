#!/bin/sh
# Makes a little authority and certificates of it, good ones and bad ones, in /etc/site-tls.
set -eu
umask 077
mkdir -p /etc/site-tls/archive /etc/site-tls/live
chmod 0755 /etc/site-tls
cd /etc/site-tls/archive
new_key="-newkey rsa:2048 -nodes"

# shellcheck disable=SC2086
openssl req -x509 $new_key -keyout ca.key -out ca.crt -days 30 -subj "/CN=Little authority"

# leaf FILE DAYS NAME...
leaf() {
  file=$1 days=$2 first=$3 alternatives=
  shift 2
  for name in "$@"; do alternatives="$alternatives,DNS:$name"; done
  printf '%s\n' "subjectAltName=${alternatives#,}" basicConstraints=critical,CA:FALSE \
    keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth >extensions
  # shellcheck disable=SC2086
  openssl req -new $new_key -keyout "$file.key" -out request -subj "/CN=$first"
  openssl x509 -req -in request -CA ca.crt -CAkey ca.key -CAcreateserial -days "$days" -extfile extensions -out "$file.crt"
}

leaf given1 90 given.test www.given.test
leaf given2 90 given.test www.given.test
# It ends in the second in which it begins.
leaf expired 0 given.test www.given.test
leaf other 90 other.test
leaf readable 90 readable.test
leaf hidden 90 hidden.test
leaf pebble 90 localhost
chmod 0644 readable.key
mkdir /root/tls
mv hidden.crt hidden.key /root/tls/

ln -s ../archive/given1.crt ../live/given.crt
ln -s ../archive/given1.key ../live/given.key
install -m 0644 ca.crt /etc/site-tls/ca.crt
