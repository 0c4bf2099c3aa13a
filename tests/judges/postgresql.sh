#!/usr/bin/env bash
# A PostgreSQL server for one test: prints its URL, and ends when its standard input does.
set -euo pipefail
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)

as_owner() { # the server refuses to run as root
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --init-groups "$@"
  else
    "$@"
  fi
}

cd /
folder=$(as_owner mktemp -d)
trap 'as_owner "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1
      rm -rf "$folder"' EXIT
as_owner "$bin/initdb" --no-sync --auth=trust --username=app -D "$folder/data" >/dev/null
as_owner "$bin/pg_ctl" -w -D "$folder/data" -l "$folder/log" \
  -o "-c listen_addresses='' -c fsync=off -k $folder" start >/dev/null
echo "postgres://app@localhost/postgres?host=$folder"
cat >/dev/null
