#!/bin/sh
# A worker, which reads what others may write into Redis: it gets no key that it does not need.
exec env -u TRACES_SECRET -u METRICS_TOKEN \
    -u TWILIO_AUTH_TOKEN_PREVIOUS -u TWILIO_API_KEY_SID -u TWILIO_API_KEY_SECRET \
    -u ALERT_WEBHOOK_URL -u TRACES_ANCHOR_WEBHOOK_URL \
    ENVIRONMENT="${ENVIRONMENT:-production}" flask worker
