"""An endpoint that AWS is at work on: nothing can be changed or cancelled until it is done."""

from tgi_operator.api.reasons import Reason
from tgi_operator.backends.plans.planning import Plan
from tgi_operator.backends.plans.verdicts import overdue, progressing, serving
from tgi_operator.backends.sagemaker.decide.situation import Wanted
from tgi_operator.backends.sagemaker.seen import state
from tgi_operator.backends.sagemaker.seen.state import Step

_TRANSITIONS = {
    state.CREATING: (Reason.CREATING, "AWS starts the instances and the container loads the model."),
    state.UPDATING: (Reason.UPDATING, "AWS is at a change of the endpoint; what serves now serves until it is done."),
    state.SYSTEM_UPDATING: (Reason.SYSTEM_UPDATING, "AWS maintains the endpoint; the change waits until it is done."),
    state.ROLLING_BACK: (Reason.ROLLING_BACK, "AWS returns the endpoint to its previous capacity."),
    state.DELETING: (Reason.REPLACING, "The endpoint is being deleted; it is created again when it is gone."),
}


def in_transition(at: Wanted) -> Plan[Step] | None:
    """AWS is at work and refuses to be interrupted: wait. Serving goes on where the fleet only changes its size."""
    endpoint = at.endpoint
    if endpoint is None or endpoint.status not in state.IN_TRANSITION:
        return None
    resizing = endpoint.pending_config_name in (None, endpoint.config_name)
    if at.up_to_date and resizing and at.asked and at.status.current_revision == at.desired.revision:
        if endpoint.status == state.UPDATING:
            message = f"Serves while AWS changes the fleet to {at.wanted_replicas} instance(s)."
            return Plan(at.show(serving(Reason.SCALING, message)))
        if endpoint.status == state.SYSTEM_UPDATING:
            return Plan(at.show(serving(Reason.SYSTEM_UPDATING, "Serves while AWS maintains the endpoint.")))
    accepted = endpoint.pending_config_name == at.desired.set_name and not at.up_to_date
    # With another configuration pending on top of ours, ours was rolled out.
    done = at.up_to_date and not resizing
    outcome_awaited = {"update_accepted": True} if accepted else {"update_accepted": None} if done else {}
    kept = {"current_revision": at.status.current_revision} | outcome_awaited
    reason, message = _TRANSITIONS[endpoint.status]
    verdict = progressing(reason, message, available=at.available)
    waited = at.reconciling_seconds
    patience = at.desired.patience_seconds
    if waited > patience:
        verdict = overdue(verdict, f"AWS has been {endpoint.status} for {waited / 3600:.1f} hours. Ask AWS support.")
    return Plan(at.show(verdict, **kept), after=None if waited > patience else patience - waited + 1)
