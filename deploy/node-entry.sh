#!/bin/sh
# The start of a node of compose.yaml: founds or joins once, then runs.
#
# The first node leaves join tokens in a volume that only the nodes see; each token is for one
# node, once, and short-lived. On separate hosts type the commands that `lgsp init` prints.
set -eu

name=$1
first=${2:-}
data=/var/lib/lgsp/node
tokens=/var/lib/lgsp-tokens
about="--data-dir $data --name $name --mesh-advertise $name:7443 --api-url https://$name:8443 --host localhost"

if [ ! -e "$data/lgsp.toml" ]; then
    if [ -z "$first" ]; then
        # shellcheck disable=SC2086
        lgsp init --zone H41 --cluster-name lgsp $about
    else
        until [ -s "$tokens/$name" ]; do sleep 1; done
        # shellcheck disable=SC2086
        if ! LGSP_JOIN_TOKEN=$(cat "$tokens/$name") lgsp join "https://$first:8443" $about; then
            # Spent or expired: the next start waits for a new one instead of showing it again.
            rm -f "$tokens/$name"
            exit 1
        fi
        # Empty: this node has joined and needs none.
        : > "$tokens/$name"
    fi
fi

if [ -z "$first" ]; then
    # Once this node answers, it makes the tokens that the others wait for, until both have joined.
    (
        umask 077
        while [ ! -e "$tokens/nut-2" ] || [ -s "$tokens/nut-2" ] || [ ! -e "$tokens/nut-3" ] || [ -s "$tokens/nut-3" ]; do
          for other in nut-2 nut-3; do
            [ -e "$tokens/$other" ] && continue
            until token=$(lgsp member token -o json --profile "$data/admin.toml" 2>/dev/null |
                sed -n 's/.*"token": "\(jn_[^"]*\)".*/\1/p') && [ -n "$token" ]; do sleep 1; done
            printf '%s' "$token" > "$tokens/$other.new"
            mv "$tokens/$other.new" "$tokens/$other"
          done
          sleep 2
        done
    ) &
fi

exec lgsp run --data-dir "$data"
