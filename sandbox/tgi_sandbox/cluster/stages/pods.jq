# Which stage a pod is due for, and when. `stage` is an ordered list of questions; what it answers names a row of
# pods.yaml, or nothing.

def annotation($name): .metadata.annotations["sandbox.tgi-operator.dev/" + $name];

# The containers of a pod share one fate, so the first speaks for all.
def container: .status.containerStatuses[0];

# Whether the outcome is that of an earlier life: what runs now has not said how it goes.
def outlived: annotation("life") as $life | $life != null and ($life | tonumber) != (container.restartCount // 0);

def outcome:
  if outlived then "probe-failure" else annotation("outcome") end
  // if any(.spec.containers[].image; endswith(":does-not-exist")) then "image-pull" else "ok" end;

def job: any(.metadata.ownerReferences[]?; .kind == "Job");

def dies: outcome | IN("crash-loop", "oom-killed");

def fails: (job and outcome == "job-failed") or (dies and .spec.restartPolicy == "Never");

def start_seconds: annotation("start-seconds") // if job then "0" else "1" end | tonumber;

def pending:
  if outcome == "image-pull" then
    if container.state.waiting == null then "image-pull"
    elif container.state.waiting.reason == "ErrImagePull" then "image-pull-back-off"
    else "none" end
  # One write instead of two. A Job's container has no probe to wait for.
  elif outcome == "ok" and (job or start_seconds == 0) then "ready"
  else "start" end;

def running:
  if fails then "fail"
  elif dies then "crash"
  elif outcome == "probe-failure" then
    if container.started and (container.ready | not) then "none" else "unhealthy" end
  elif container.ready | not then "ready"
  elif job then "complete"
  else "none" end;

def stage:
  if .metadata.deletionTimestamp then "delete"
  elif .status.phase == "Pending" then pending
  elif .status.phase != "Running" then "none"
  elif container.state.running then running
  # The kubelet restarts a container at once when it has died for the first time.
  elif dies and container.state.terminated and container.restartCount > 0 then "back-off"
  else "restart" end;

# Times in a status are whole seconds: what began less than one ago is taken to begin now.
def seconds_since($time): now - ($time | fromdate) | if . < 1 then 0 else . end;

def in_seconds: "\([., 0] | max)s";

# A container is started, or dies, or is done, so long after it has begun.
def due:
  if container then start_seconds - seconds_since(container.state.running.startedAt) else 0 end | in_seconds;

# The kubelet's delays, ten times faster up to its fifth.
def back_off:
  if dies then
    [0, 1, 2, 4, 8, 16, 30][[container.restartCount, 6] | min]
    - seconds_since(container | (.state.terminated // .lastState.terminated).finishedAt)
  else 0 end | in_seconds;
