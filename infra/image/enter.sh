#!/bin/sh
# Starts what a container is to run, with the logins that are mounted into it.
#
# A file in /run/secrets or /run/logins that is named like a variable becomes that variable: what `docker inspect` and
# a list of processes show has no secrets. Others, such as key files, are left to the settings that name their path.
set -eu
for file in /run/secrets/* /run/logins/*; do
  name=${file##*/}
  case $name in
    *[!A-Z0-9_]* | [!A-Z]*) ;;
    *) [ ! -f "$file" ] || { value=$(cat "$file"); export "$name=$value"; } ;;
  esac
done
unset file name value
exec "$@"
