"""The states of a supervised process, as the status file has them."""

WAITING = "waiting"
STARTING = "starting"
READY = "ready"
RESTARTING = "restarting"
