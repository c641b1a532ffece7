#!/usr/bin/env bash
# Writes into a chart what only a release knows: the image and its digest, and where the project is.
# Usage: IMAGE=… DIGEST=sha256:… PROJECT_URL=… ICON_URL=… ci/release-chart.sh FOLDER
set -euo pipefail
chart="$1"
sed -i "s|^  repository: tgi-operator\$|  repository: $IMAGE|; s|^  digest: \"\"\$|  digest: $DIGEST|" "$chart/values.yaml"
sed -i "s|^      image: tgi-operator:.*|      image: $IMAGE@$DIGEST|" "$chart/Chart.yaml"
for file in values.yaml Chart.yaml; do
  grep --quiet "$DIGEST" "$chart/$file" || { echo "$file has no place for the image's digest" >&2; exit 1; }
done
cat >> "$chart/Chart.yaml" <<END
home: $PROJECT_URL
sources: [$PROJECT_URL]
icon: $ICON_URL
END
