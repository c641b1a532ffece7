"""The preStop hook: a terminating pod first answers the requests that it has accepted."""

TGI_GRACEFUL_SECONDS = 90
"""Default of GRACEFUL_TERMINATION_TIMEOUT, which the launcher gives the router and then the shards."""

SETTLING_SECONDS = 5
"""Seconds during which a terminating pod still receives requests, until all proxies know that it left the Service."""

_LEAST_SECONDS = 5

# The script uses only bash, because every TGI image has it. TGI serves no metrics before its first request. The script
# does not wait for metrics that it cannot read.
_SCRIPT = r"""
busy() {
  exec 3<>"/dev/tcp/127.0.0.1/$PORT" || return 1
  printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3
  while [ $SECONDS -lt $end ] && read -t $((end - SECONDS)) -r name value _; do
    case $name in
      tgi_queue_size|tgi_batch_current_size) case ${value%%.*} in ''|0) ;; *) return 0 ;; esac ;;
    esac
  done <&3
  return 1
}
sleep SETTLING
end=$((SECONDS + LONGEST))
while [ $SECONDS -lt $end ] && (busy) 2>/dev/null; do sleep 1; done
"""


def seconds(grace: int, graceful: int) -> int:
    """Return the seconds to wait for requests in progress: the grace period minus the time that TGI needs to end."""
    return max(grace - SETTLING_SECONDS - 2 * graceful, _LEAST_SECONDS)


def command(longest: int, settling: int = SETTLING_SECONDS) -> list[str]:
    """Return the command that returns once queue and batch are empty, or after `longest` seconds."""
    script = _SCRIPT.replace("SETTLING", str(settling)).replace("LONGEST", str(longest)).strip()
    return ["bash", "-c", script]
