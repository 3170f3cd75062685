#!/usr/bin/env bash
# Builds the program for the platform that this runs on and packs it into dist/, with its licence.
#
#   package.sh VERSION OS ARCH
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.."
version=$1 os=$2 arch=$3
[[ $(go env GOOS)/$(go env GOARCH) == "$os/$arch" ]] || { echo "this machine is $(go env GOOS)/$(go env GOARCH), not $os/$arch" >&2; exit 1; }
name=tidemark_${version#v}_${os}_$arch
mkdir -p "dist/$name"
CGO_ENABLED=1 go build -trimpath -buildvcs=true -ldflags '-s -w' -o "dist/$name/tidemark" ./cmd/tidemark
cp LICENSE README.md CHANGELOG.md "dist/$name/"
said=$("dist/$name/tidemark" version)
echo "$said"
[[ $said == "tidemark $version,"* ]] || { echo "it does not say that it is $version" >&2; exit 1; }
tar -C dist -czf "dist/$name.tar.gz" "$name"
rm -r "dist/${name:?}"
