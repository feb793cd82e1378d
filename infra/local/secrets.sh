#!/bin/sh
# Makes the secrets of infra/compose.yaml that are not there yet, in infra/secrets/, which git and images leave out.
#
# Containers read them as another user than you, so the files are open to all, and the folder to you alone.
set -eu
cd "$(dirname "$0")/.."
mkdir -p secrets/logins
chmod 700 secrets
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
[ -e secrets/database-password ] || random > secrets/database-password
[ -e secrets/auth-string ] || printf 'deepsentinel:%s' "$(random)" > secrets/auth-string
chmod 644 secrets/database-password secrets/auth-string
echo "infra/secrets: auth-string is the login of Prefect's server, database-password that of its database."
