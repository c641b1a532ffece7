"""The decision: spec and what was seen -> the next steps and the status to show. Pure, safe to repeat at any moment.

Each rule is a small function of a Situation that returns a Plan, or None where it has nothing to say; `RULES` is the
order they are asked in. The memory it needs is in the status, written before the steps it guards.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from tgi_operator.api.names import GROUP
from tgi_operator.api.reasons import Reason
from tgi_operator.api.status import ConditionType, LastFailure, SageMakerStatus, Status
from tgi_operator.api.times import parse, rfc3339
from tgi_operator.backends.plans import Note, Plan, Verdict, overdue, progressing, serving, stalled, with_verdict
from tgi_operator.backends.resource import Resource
from tgi_operator.backends.sagemaker import errors, names, state, steps
from tgi_operator.backends.sagemaker.errors import Failure
from tgi_operator.backends.sagemaker.render import Desired, Place
from tgi_operator.backends.sagemaker.state import Endpoint, Observed, Part, Step
from tgi_operator.tgi.checks import Problem

RETRY_FIRST_SECONDS = 60
RETRY_LONGEST_SECONDS = 1800
RETRY_LIMIT = 50
"""A revision that AWS had no capacity for is tried again after 1, 2, 4, … 30 minutes, for about a day."""

SETTLING_SECONDS = 30
"""How long the absence of what was just created is not believed when everything else would be deleted for it."""


@dataclass(frozen=True)
class Situation:
    """All that a rule may look at. `desired` is None where the spec cannot work; `problem` says why."""

    resource: Resource
    place: Place
    desired: Desired | None
    problem: Problem | None
    observed: Observed
    now: datetime

    @property
    def endpoint(self) -> Endpoint | None:
        """The live endpoint."""
        return self.observed.endpoint

    @property
    def status(self) -> Status:
        """The status last written."""
        return self.resource.status

    @property
    def remembered(self) -> SageMakerStatus:
        """What was last written of SageMaker."""
        return self.status.sage_maker or SageMakerStatus(endpoint_name=self.place.endpoint)

    @property
    def available(self) -> bool:
        """Whether requests are answered now."""
        return self.endpoint is not None and self.endpoint.status in state.SERVING

    @property
    def live_revision(self) -> str | None:
        """The revision that the endpoint runs, None where its configuration is not ours."""
        return self.endpoint.revision(self.place.endpoint) if self.endpoint else None

    def show(self, verdict: Verdict, **fields: Any) -> Status:
        """Return the status with `verdict` and what was seen; `fields` of SageMakerStatus and Status go on top."""
        endpoint = self.endpoint
        own = {name: fields.pop(name) for name in tuple(fields) if name in SageMakerStatus.model_fields}
        live = self.live_revision
        revisions = own.pop("revisions", self.remembered.revisions)
        if live is not None and live not in revisions:
            revisions = (*revisions, live)
        seen: dict[str, Any] = {
            "endpoint_arn": endpoint.arn if endpoint else None,
            "endpoint_status": endpoint.status if endpoint else None,
            "endpoint_config_name": endpoint.config_name if endpoint else None,
            "model_name": names.set_name(self.place.endpoint, live) if live else None,
            "revisions": revisions,
        }
        shown: dict[str, Any] = {
            "backend": "SageMaker",
            "replicas": (endpoint.current_count if endpoint else None) or 0,
            "ready_replicas": ((endpoint.current_count if endpoint else None) or 0) if self.available else 0,
            "desired_replicas": self.wanted_replicas,
            "url": self.place.url,
            "current_revision": live,
            "sage_maker": self.remembered.model_copy(update=seen | own),
        }
        if self.desired is not None:
            shown["image"] = self.desired.image
        return with_verdict(self.status, self.resource.generation, verdict, rfc3339(self.now), **shown | fields)

    @property
    def wanted_replicas(self) -> int:
        """The instances wanted: those of the spec, else those that are there, else one."""
        if self.resource.spec.replicas is not None:
            return self.resource.spec.replicas
        live = self.endpoint.desired_count if self.endpoint else None
        return live or self.status.desired_replicas or 1


@dataclass(frozen=True)
class Wanted(Situation):
    """A situation whose spec can work."""

    desired: Desired

    @property
    def up_to_date(self) -> bool:
        """Whether the endpoint runs the wanted configuration, as far as its name tells."""
        return self.endpoint is not None and self.endpoint.config_name == self.desired.set_name

    @property
    def attempted(self) -> bool:
        """Whether the wanted revision was asked of the living endpoint.

        The status says which revision was about to be asked for, when the endpoint was last modified before that, and,
        written afterwards, that AWS accepted it. After a crash in between, an endpoint modified since and with a
        FailureReason tells the same.
        """
        if self.endpoint is None or self.status.update_revision != self.desired.revision:
            return False
        if self.remembered.update_accepted:
            return True
        modified = self.remembered.last_modified_time not in (None, self.endpoint.last_modified)
        return modified and self.endpoint.failure_reason is not None

    def failed_before(self, revision: str) -> LastFailure | None:
        """Return the memory of `revision`'s last failure, None where it did not fail or is no longer remembered."""
        failure = self.status.last_failure
        return failure if failure is not None and failure.revision == revision else None

    def remember(self, revision: str, reason: Reason, message: str) -> LastFailure:
        """Return the memory of a failure just seen."""
        before = self.failed_before(revision)
        return LastFailure(
            time=rfc3339(self.now),
            revision=revision,
            reason=reason,
            message=message[:4096],
            attempts=before.attempts + 1 if before else 1,
        )

    def pause(self, failure: LastFailure) -> float:
        """Return the seconds until a retryable failure may be tried again; 0 when that is now."""
        backoff = min(RETRY_FIRST_SECONDS * 2.0 ** (failure.attempts - 1), RETRY_LONGEST_SECONDS)
        return max(0.0, (parse(failure.time) + timedelta(seconds=backoff) - self.now).total_seconds())


Rule = Callable[[Wanted], Plan[Step] | None]


def plan(situation: Situation) -> Plan[Step]:
    """Return what to do next and what to show."""
    if situation.resource.deleting:
        return _deletion(situation)
    if _foreign(situation):
        return _not_owned(situation)
    if situation.desired is None:
        return _cannot_work(situation)
    wanted = Wanted(**{name: getattr(situation, name) for name in Situation.__dataclass_fields__})
    return next(found for rule in RULES if (found := rule(wanted)) is not None)


def _foreign(situation: Situation) -> bool:
    """Whether the endpoint of that name is somebody else's.

    Ours by its tags, or, where somebody took those away, by running a configuration that we named. Tags not asked for
    mean that the configuration is one of ours.
    """
    endpoint = situation.endpoint
    if endpoint is None or endpoint.tags is None or names.is_owned(endpoint.tags, situation.resource.owner):
        return False
    if names.is_claimed_by_other_cluster(endpoint.tags, situation.resource.owner):
        return True
    return situation.live_revision not in (*situation.remembered.revisions,)


def _not_owned(situation: Situation) -> Plan[Step]:
    message = (
        f'Endpoint "{situation.place.endpoint}" in {situation.place.region} exists and is not tagged as this '
        "resource's: it is left alone. Set spec.sageMaker.endpointName on a new TGIEndpoint, or delete that endpoint."
    )
    verdict = stalled(Reason.NOT_OWNED, message, available=False)
    status = with_verdict(situation.status, situation.resource.generation, verdict, rfc3339(situation.now))
    return Plan(status, after=errors.REMEDIES[errors.Meaning.NOT_OWNED].longest)


def _cannot_work(situation: Situation) -> Plan[Step]:
    assert situation.problem is not None  # noqa: S101 - no requests were rendered because of it
    verdict = stalled(situation.problem.reason, situation.problem.message, available=situation.available)
    if situation.endpoint is None:
        return Plan(with_verdict(situation.status, situation.resource.generation, verdict, rfc3339(situation.now)))
    return Plan(situation.show(verdict))


def _in_transition(at: Wanted) -> Plan[Step] | None:
    """AWS is at work and refuses to be interrupted: wait. Serving goes on where the fleet only changes its size."""
    endpoint = at.endpoint
    if endpoint is None or endpoint.status not in state.IN_TRANSITION:
        return None
    resizing = endpoint.pending_config_name in (None, endpoint.config_name)
    if at.up_to_date and resizing and at.status.current_revision == at.desired.revision:
        if endpoint.status == state.UPDATING:
            message = f"Serves while AWS changes the fleet to {at.wanted_replicas} instance(s)."
            return Plan(at.show(serving(Reason.SCALING, message)))
        if endpoint.status == state.SYSTEM_UPDATING:
            return Plan(at.show(serving(Reason.SYSTEM_UPDATING, "Serves while AWS maintains the endpoint.")))
    accepted = endpoint.pending_config_name == at.desired.set_name and not at.up_to_date
    outcome_awaited = {"update_accepted": True} if accepted else {}
    kept = {"current_revision": at.status.current_revision} | outcome_awaited
    reason, message = _TRANSITIONS[endpoint.status]
    verdict = progressing(reason, message, available=at.available)
    waited = _reconciling_seconds(at)
    patience = at.desired.patience_seconds
    if waited > patience:
        verdict = overdue(verdict, f"AWS has been {endpoint.status} for {waited / 3600:.1f} hours. Ask AWS support.")
    return Plan(at.show(verdict, **kept), after=None if waited > patience else patience - waited + 1)


_TRANSITIONS = {
    state.CREATING: (Reason.CREATING, "AWS starts the instances and the container loads the model."),
    state.UPDATING: (Reason.UPDATING, "AWS is at a change of the endpoint; what serves now serves until it is done."),
    state.SYSTEM_UPDATING: (Reason.SYSTEM_UPDATING, "AWS maintains the endpoint; the change waits until it is done."),
    state.ROLLING_BACK: (Reason.ROLLING_BACK, "AWS returns the endpoint to its previous capacity."),
    state.DELETING: (Reason.REPLACING, "The endpoint is being deleted; it is created again when it is gone."),
}


def _reconciling_seconds(at: Situation) -> float:
    since = [c.last_transition_time for c in at.status.conditions if c.type == ConditionType.RECONCILING]
    return (at.now - parse(since[0])).total_seconds() if since else 0.0


def _absent(at: Wanted) -> Plan[Step] | None:
    """There is no endpoint: make it, unless that failed before and would fail again."""
    if at.endpoint is not None:
        return None
    failure = at.failed_before(at.desired.revision)
    if failure is not None:
        blocked = _blocked(at, failure)
        if blocked is not None:
            return blocked
    replicas = at.wanted_replicas
    message = (
        f'Creating endpoint "{at.place.endpoint}" with model and configuration "{at.desired.set_name}" on '
        f"{replicas} {at.desired.config['ProductionVariants'][0]['InstanceType']}."
    )
    return Plan(
        _begun(at, progressing(Reason.CREATING, message, available=False), endpoint_status=state.CREATING),
        steps=steps.create(at.desired, replicas),
        ahead=True,
        after=at.desired.patience_seconds,
    )


def _begun(at: Wanted, verdict: Verdict, **fields: Any) -> Status:
    """Return the status that is written before a revision is asked for: from it a successor knows what may exist."""
    revisions = tuple(dict.fromkeys((*at.remembered.revisions, at.desired.revision)))
    return at.show(
        verdict,
        update_revision=at.desired.revision,
        revisions=revisions,
        tag_keys=_tag_keys(at.desired),
        last_modified_time=at.endpoint.last_modified if at.endpoint else None,
        update_accepted=None,
        **fields,
    )


def _tag_keys(desired: Desired) -> tuple[str, ...] | None:
    return tuple(sorted(key for key in desired.tags if not key.startswith(f"{GROUP}/"))) or None


def _blocked(at: Wanted, failure: LastFailure) -> Plan[Step] | None:
    """Return why a revision that failed is not tried now; None when its pause is over."""
    retryable = failure.reason in _RETRYABLE and failure.attempts < RETRY_LIMIT
    if not retryable:
        message = f"Revision {failure.revision} failed and is not tried again until the spec changes: {failure.message}"
        return Plan(at.show(stalled(Reason(failure.reason), message, available=at.available)))
    pause = at.pause(failure)
    if pause == 0:
        return None
    message = f"Attempt {failure.attempts} failed, the next follows by itself: {failure.message}"
    return Plan(at.show(progressing(Reason(failure.reason), message, available=at.available)), after=pause)


_RETRYABLE = frozenset({Reason.INSUFFICIENT_CAPACITY, Reason.INTERNAL_FAILURE})


def _failed(at: Wanted) -> Plan[Step] | None:
    """The endpoint is Failed, and all that AWS allows is to delete it: when there is something better to create."""
    endpoint = at.endpoint
    if endpoint is None or endpoint.status != state.FAILED:
        return None
    text = endpoint.failure_reason or "AWS gave no reason."
    failure = at.failed_before(at.desired.revision)
    if failure is None and not at.up_to_date and not at.attempted:
        message = f"The endpoint failed ({text}); it is deleted so that the present spec can be created."
        return _replace(at, Reason.REPLACING, message, at.status.last_failure)
    seen_already = (
        failure is not None
        and at.remembered.endpoint_status == state.FAILED
        and at.remembered.last_modified_time == endpoint.last_modified
    )
    if failure is None or not seen_already:
        found = errors.failure(text, Reason.ENDPOINT_FAILED)
        if at.up_to_date and at.status.current_revision == at.desired.revision and at.status.ready_replicas:
            # It served before: the revision is not to blame, and an endpoint lost is worth another try.
            found = Failure(Reason.INTERNAL_FAILURE, retryable=True)
        failure = at.remember(at.desired.revision, found.reason, text)
    if failure.reason in _RETRYABLE and failure.attempts < RETRY_LIMIT:
        return _replace(at, Reason(failure.reason), f"The endpoint failed and is created again: {text}", failure)
    message = f"Revision {failure.revision} failed and is not tried again until the spec changes: {text}"
    verdict = stalled(Reason(failure.reason), message, available=False)
    kept = {"last_failure": failure, "last_modified_time": endpoint.last_modified, "update_accepted": None}
    return Plan(at.show(verdict, **kept))


def _replace(at: Wanted, reason: Reason, message: str, failure: LastFailure | None) -> Plan[Step]:
    assert at.endpoint is not None  # noqa: S101 - only called for a Failed endpoint
    verdict = progressing(reason, message, available=False)
    return Plan(
        at.show(verdict, last_failure=failure, last_modified_time=at.endpoint.last_modified, update_accepted=None),
        steps=(steps.delete_endpoint(at.place),),
        ahead=True,
    )


def _rolled_back(at: Wanted) -> Plan[Step] | None:
    """The wanted revision was asked for, and AWS is back at another one: remember that it failed."""
    endpoint = at.endpoint
    assert endpoint is not None  # noqa: S101 - `_absent` comes first
    broken = endpoint.status == state.UPDATE_ROLLBACK_FAILED
    if (at.up_to_date and not broken) or not at.attempted:
        return None
    text = endpoint.failure_reason or "AWS gave no reason."
    found = errors.failure(text, Reason.UPDATE_ROLLED_BACK)
    reason = Reason.UPDATE_ROLLBACK_FAILED if broken else found.reason
    failure = at.remember(at.desired.revision, reason, text)
    settled = {"last_failure": failure, "last_modified_time": endpoint.last_modified, "update_accepted": None}
    if failure.reason in _RETRYABLE and failure.attempts < RETRY_LIMIT:
        verdict = progressing(reason, f"The update was rolled back and is tried again: {text}", available=at.available)
        return Plan(at.show(verdict, **settled), after=at.pause(failure))
    message = f"Revision {failure.revision} was rolled back and is not tried again until the spec changes: {text}"
    return Plan(at.show(stalled(reason, message, available=at.available), **settled))


def _outdated(at: Wanted) -> Plan[Step] | None:
    """The endpoint runs something else: roll out what is wanted, unless that failed before and would fail again."""
    endpoint = at.endpoint
    assert endpoint is not None  # noqa: S101 - `_absent` comes first
    broken = endpoint.status == state.UPDATE_ROLLBACK_FAILED
    if at.up_to_date and not broken:
        return None
    failure = at.failed_before(at.desired.revision)
    if failure is not None:
        blocked = _blocked(at, failure)
        if blocked is not None:
            return blocked
    message = (
        f"Rolling out revision {at.desired.revision}; {at.live_revision or endpoint.config_name} serves meanwhile."
    )
    status = _begun(at, progressing(Reason.UPDATING, message, available=at.available))
    assert status.sage_maker is not None  # noqa: S101 - `show` sets it
    accepted = status.sage_maker.model_copy(update={"endpoint_status": state.UPDATING, "update_accepted": True})
    return Plan(
        status,
        steps=steps.update(at.desired, at.wanted_replicas),
        ahead=True,
        done=status.model_copy(update={"sage_maker": accepted}),
        after=at.desired.patience_seconds,
    )


def _out_of_service(at: Wanted) -> Plan[Step] | None:
    """AWS took the endpoint out of service."""
    if at.endpoint is None or at.endpoint.status != state.OUT_OF_SERVICE:
        return None
    message = "AWS took the endpoint out of service. Delete it in AWS to have it created again, or ask AWS support."
    return Plan(at.show(stalled(Reason.OUT_OF_SERVICE, message, available=False)))


def _miscounted(at: Wanted) -> Plan[Step] | None:
    """It serves with another number of instances than the spec says: ask for that number, and for nothing else."""
    endpoint, replicas = at.endpoint, at.desired.replicas
    if endpoint is None or replicas is None or endpoint.desired_count in (None, replicas):
        return None
    memory = f"{at.desired.revision}-{replicas}"
    failure = at.failed_before(memory)
    asked = at.status.desired_replicas == replicas and at.remembered.last_modified_time not in (
        None,
        endpoint.last_modified,
    )
    if asked and endpoint.failure_reason is not None:
        failure = at.remember(memory, Reason.INSUFFICIENT_CAPACITY, endpoint.failure_reason)
        at = replace(at, resource=replace(at.resource, status=at.status.model_copy(update={"last_failure": failure})))
    if failure is not None and (pause := at.pause(failure)) > 0:
        message = f"Serves, but AWS could not change the fleet to {replicas} instance(s): {failure.message}"
        verdict = serving(Reason.IN_SERVICE, message)
        return Plan(at.show(verdict, last_modified_time=endpoint.last_modified), after=pause)
    verdict = serving(Reason.SCALING, f"Serves while AWS changes the fleet to {replicas} instance(s).")
    return Plan(
        at.show(verdict, update_revision=at.desired.revision, last_modified_time=endpoint.last_modified),
        steps=(steps.scale(at.desired, replicas),),
        ahead=True,
        after=at.desired.patience_seconds,
        notes=(Note(Reason.SCALED, f"From {endpoint.desired_count} to {replicas} instance(s)."),),
    )


def _serving(at: Wanted) -> Plan[Step]:
    """All is as it should be: put right what somebody changed, and collect what no revision needs any more."""
    endpoint = at.endpoint
    assert endpoint is not None  # noqa: S101 - `_absent` comes first
    count = endpoint.current_count or 0
    verdict = serving(Reason.IN_SERVICE, f"{count} of {at.wanted_replicas} instance(s) serve.")
    old = tuple(revision for revision in at.remembered.revisions if revision != at.desired.revision)
    kept = {
        "update_revision": at.desired.revision,
        "last_modified_time": endpoint.last_modified,
        "update_accepted": None,
        "tag_keys": _tag_keys(at.desired),
        "last_failure": None if _is_over(at) else at.status.last_failure,
    }
    status = at.show(verdict, **kept)
    restore = _restore(at)
    retag = _retag(at, endpoint)
    collect = steps.delete_sets(at.place, old)
    notes = (
        *([Note(Reason.RESTORED, f'Created "{at.desired.set_name}" again.')] if restore else []),
        *([Note(Reason.TAGS_RESTORED, "The tags were put right.")] if retag else []),
        *([Note(Reason.COLLECTED, f"Deleted the sets of revisions {', '.join(old)}.")] if collect else []),
    )
    return Plan(
        status,
        steps=(*restore, *retag, *collect),
        done=at.show(verdict, **kept, revisions=(at.desired.revision,)),
        notes=notes,
    )


def _is_over(at: Wanted) -> bool:
    """Whether the remembered failure is of a revision that serves now."""
    failure = at.status.last_failure
    return failure is not None and failure.revision.partition("-")[0] == at.desired.revision


def _restore(at: Wanted) -> tuple[Step, ...]:
    """Return the steps that bring back a model or configuration somebody deleted: without them AWS stops patching."""
    missing = at.observed.missing
    return (
        *((steps.create_model(at.desired),) if Part.MODEL in missing else ()),
        *((steps.create_config(at.desired, at.wanted_replicas),) if Part.CONFIG in missing else ()),
    )


def _retag(at: Wanted, endpoint: Endpoint) -> tuple[Step, ...]:
    """Return the steps that put the tags right: ours are set, and those the spec no longer has are removed."""
    if endpoint.tags is None:
        return ()
    wrong = {key: value for key, value in at.desired.tags.items() if endpoint.tags.get(key) != value}
    stale = {key for key in at.remembered.tag_keys or () if key not in at.desired.tags and key in endpoint.tags}
    if not wrong and not stale:
        return ()
    name = at.desired.set_name
    arns = (endpoint.arn, endpoint.arn_of(Part.CONFIG, name), endpoint.arn_of(Part.MODEL, name))
    return steps.retag(arns, wrong, stale)


RULES: tuple[Rule, ...] = (
    _in_transition,
    _failed,
    _absent,
    _rolled_back,
    _outdated,
    _out_of_service,
    _miscounted,
    _serving,
)


def _deletion(situation: Situation) -> Plan[Step]:
    """Endpoint first, and only when that is seen to be gone its configurations and models."""
    place, endpoint = situation.place, situation.endpoint
    if endpoint is not None and not _foreign(situation):
        if endpoint.status in state.IN_TRANSITION and endpoint.status != state.DELETING:
            message = f"AWS cannot delete an endpoint that is {endpoint.status}; it is deleted when AWS is done."
            return Plan(situation.show(progressing(Reason.DELETING, message, available=situation.available)))
        message = f'Endpoint "{place.endpoint}" is being deleted.'
        status = situation.show(progressing(Reason.DELETING, message, available=False))
        if endpoint.status == state.DELETING:
            return Plan(status)
        return Plan(status, steps=(steps.delete_endpoint(place),))
    if endpoint is None and situation.remembered.endpoint_status == state.CREATING:
        waited = _reconciling_seconds(situation)
        if 0 < waited < SETTLING_SECONDS:
            # DescribeEndpoint is eventually consistent: what was just created may not be found yet.
            return Plan(situation.status, after=SETTLING_SECONDS - waited)
    revisions = set(situation.remembered.revisions)
    if situation.desired is not None and situation.status.update_revision is not None:
        revisions.add(situation.desired.revision)
    if endpoint is not None:
        # Somebody else's endpoint may run what we made: what is in use is never deleted.
        revisions -= {situation.live_revision or ""}
    return Plan(
        situation.status,
        steps=steps.delete_sets(place, sorted(revisions)),
        notes=(Note(Reason.DELETED, f'Endpoint "{place.endpoint}" and what belongs to it are gone.'),),
        finished=True,
    )
