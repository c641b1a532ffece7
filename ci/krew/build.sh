#!/bin/bash
# Packs the kubectl plugin for Krew: FOLDER/kubectl-tgi-VERSION.tar.gz, and FOLDER/tgi.yaml, which has its hash.
set -euo pipefail

if [ $# -ne 5 ]; then
	echo "usage: $0 WHEEL CONSTRAINTS VERSION OWNER/REPOSITORY FOLDER" >&2
	exit 2
fi
wheel=$1 constraints=$2 version=$3 repository=$4 folder=$5
here=$(dirname "$(readlink -f "$0")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

install -m 755 "$here/kubectl-tgi" "$work"
install -m 644 "$wheel" "$here/../../LICENSE" "$work"
install -m 644 "$constraints" "$work/constraints.txt"
archive=$folder/kubectl-tgi-$version.tar.gz
tar --create --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 --directory "$work" . | gzip --no-name > "$archive"

sha256=$(sha256sum "$archive" | cut -d' ' -f1)
sed "s|\${VERSION}|$version|g; s|\${REPOSITORY}|$repository|g; s|\${SHA256}|$sha256|g" "$here/tgi.yaml" > "$folder/tgi.yaml"
