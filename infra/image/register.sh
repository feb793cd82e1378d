#!/bin/sh
# Registers work pools, limits and deployments at the server of PREFECT_API_URL, as `make deploy` does from a clone.
# IMAGE and TRAIN_IMAGE are what pools of containers are to run. Doing it again brings everything up to date.
set -eu
cd /opt/deepsentinel
python -m flows.deploying --image "${IMAGE:-deepsentinel:latest}" --train-image "${TRAIN_IMAGE:-deepsentinel-train:latest}"
exec prefect --no-prompt deploy --prefect-file deployments/prefect.yaml --all
