#!/bin/sh
# What comes before each new version: the `release` line of Procfile, deploy/systemd/allo-release.service
# and the `release` service of deploy/compose.yaml run it, in the folder of the code.
# It may be run again. Where it fails, the version before should go on.
set -eu
export ENVIRONMENT="${ENVIRONMENT:-production}" FLASK_APP=app.web:create_app
flask migrate
# Without the files of others pages are plain; the telephone does not notice.
flask assets install || :
flask queues create
# honcho runs this line beside the others, and ends all of them as soon as one ends.
if [ -n "${HONCHO_PROCESS_NAME:-}" ]; then
    exec tail -f /dev/null
fi
