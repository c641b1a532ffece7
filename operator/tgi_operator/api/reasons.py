"""Every reason a condition or an Event can carry, each with what it means and what to do."""

from enum import StrEnum
from typing import Self


class Reason(StrEnum):
    """A CamelCase reason; its docstring is the text of the troubleshooting page."""

    doc: str

    def __new__(cls, value: str, doc: str = "") -> Self:
        """Return the reason `value`, documented by `doc`."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.doc = doc
        return member

    # Serving
    IN_SERVICE = "InService", "This generation is rolled out and serves. Nothing to do."
    SCALING = "Scaling", "The endpoint serves this generation while its replica count changes. Nothing to do."

    SERVING = "Serving", "Reason of Available: the endpoint accepts requests, whichever generation it runs."
    NOT_SERVING = (
        "NotServing",
        "Reason of Available: no instance or pod accepts requests. The reason of Ready shows why.",
    )
    SERVING_UNKNOWN = (
        "ServingUnknown",
        "Reason of Available: whether the endpoint accepts requests is not known. The reason of Ready shows why.",
    )

    SCALED_TO_ZERO = "ScaledToZero", "The replica count is 0, so no pod serves. Scale the Deployment, or set replicas."

    # Following the load (ScalingActive)
    AUTOSCALING = "Autoscaling", "The replica count follows the load within the bounds in force."
    ENDPOINT_NOT_IN_SERVICE = (
        "EndpointNotInService",
        "The replica count does not follow the load until the endpoint is in service. Wait.",
    )
    NO_METRICS = (
        "NoMetrics",
        (
            "The autoscaler has no value of the metric and keeps the replica count. TGI reports its metrics from the "
            "first request on. If this lasts, check whether Prometheus scrapes the pods."
        ),
    )
    METRICS_API_MISSING = (
        "MetricsAPIMissing",
        (
            "The cluster serves no custom metrics API, and KEDA is not installed or `--prometheus-address` is not "
            "set. Install one of them as docs/scaling.md describes. The operator notices the metrics API within 30 "
            "seconds; for KEDA, restart the operator."
        ),
    )
    SCALING_FAILED = (
        "ScalingFailed",
        (
            "The autoscaler requested another replica count and did not get it. The message has the autoscaler's "
            "error; it tries again automatically."
        ),
    )

    POLICY_CONFLICT = (
        "PolicyConflict",
        (
            "A scaling policy that is not owned by this resource already tracks the metric, and AWS takes one policy "
            "for a metric. The endpoint serves. Delete the policy that the message names, or remove the metric from "
            "spec.autoscaling.metrics."
        ),
    )
    SCALING_UNKNOWN = (
        "ScalingUnknown",
        (
            "Application Auto Scaling cannot be read, so the operator does not know whether the replica count follows "
            "the load. The message has the error message of AWS. The operator reads it again within 5 minutes."
        ),
    )

    # On the way
    CREATING = "Creating", "The endpoint or its pods are being created and load the model. Wait: minutes are usual."
    FETCHING_WEIGHTS = (
        "FetchingWeights",
        "A job downloads the weights into the PVC. The pods follow when the job is done.",
    )
    UPDATING = "Updating", "A new revision is being rolled out. The old revision serves meanwhile."
    SYSTEM_UPDATING = "SystemUpdating", "AWS maintains the endpoint, which serves. Changes wait until AWS is done."
    ROLLING_BACK = "RollingBack", "AWS returns the endpoint to its previous capacity. Wait."
    UNSCHEDULABLE = (
        "Unschedulable",
        (
            "No node has room for a pod; the message has the scheduler's error. Free or add GPUs of that kind, or "
            "change gpu, nodeSelector or tolerations. If the message names a PersistentVolumeClaim, create it, or run "
            "`kubectl describe pvc`. The pod starts automatically when it fits."
        ),
    )
    DELETING = "Deleting", "The endpoint and everything that belongs to it are being deleted."
    REPLACING = "Replacing", "The operator deletes a failed endpoint and then creates it again."
    THROTTLED = "Throttled", "AWS limits the rate of calls. The operator slows down and retries automatically."
    AWS_UNAVAILABLE = (
        "AWSUnavailable",
        (
            "AWS does not answer or reports internal errors. When this lasts for two sweeps and at least a minute, "
            "Ready and Available are Unknown until AWS can be read again. The operator retries automatically; what "
            "serves goes on serving."
        ),
    )
    CREDENTIALS_EXPIRED = (
        "CredentialsExpired",
        (
            "The operator's AWS credentials have expired or were not issued. The operator requests new ones "
            "automatically. If this lasts, check the role and, with EKS Pod Identity, the association and the add-on."
        ),
    )
    INSUFFICIENT_CAPACITY = (
        "InsufficientCapacity",
        (
            "AWS has no free instances of this type. The operator retries after 1 to 30 minutes, up to 50 times; the "
            "message has the time. Another instanceType or region may help."
        ),
    )
    INTERNAL_FAILURE = (
        "InternalFailure",
        (
            "AWS failed internally (`Request to service failed`). The operator retries after 1 to 30 minutes, up to "
            "50 times; the message has the time."
        ),
    )
    KUBERNETES_ERROR = (
        "KubernetesError",
        (
            "The API server has refused requests of the operator, or has not answered, more than three times in a "
            "row. The message names the request: check the operator's Role, quotas and admission webhooks. The "
            "operator retries within a minute."
        ),
    )
    UNKNOWN_ENDPOINT_STATUS = (
        "UnknownEndpointStatus",
        (
            "AWS reports an EndpointStatus that this version of the operator does not know, so the operator changes "
            "nothing. Ready and Available are Unknown meanwhile. Upgrade the operator."
        ),
    )
    RECONCILE_ERROR = (
        "ReconcileError",
        "The operator met an internal error and retries. Its log has the traceback: report it as a bug.",
    )

    # For a person to change: the spec
    INVALID_SPEC = (
        "InvalidSpec",
        "A field of the spec, or a combination of fields, cannot work. The message names the fields and what to write.",
    )
    UNKNOWN_REGION = (
        "UnknownRegion",
        (
            "spec.sageMaker.region is not an AWS region, or not one that the administrators of the operator allow. The "
            "operator makes no connection. Create a new TGIEndpoint in another region, or have the administrators add "
            "the region to `--aws-regions`; the operator then restarts and continues. A resource that was deployed "
            "there is deleted only then."
        ),
    )
    UNKNOWN_VERSION = (
        "UnknownVersion",
        (
            "The catalog has no image of that TGI version for that region. `tgi-operator catalog list` shows those "
            "that it has."
        ),
    )
    UNSUPPORTED_INSTANCE_TYPE = (
        "UnsupportedInstanceType",
        "TGI does not run on that instance type. Choose one with GPUs.",
    )
    INVALID_NUM_SHARD = (
        "InvalidNumShard",
        "numShard does not fit the GPUs of the instance or the attention heads of the model.",
    )
    CONFLICTING_OPTIONS = (
        "ConflictingOptions",
        "Launcher options contradict each other or have a wrong value. The message names them.",
    )
    SECRET_NOT_FOUND = (
        "SecretNotFound",
        (
            "The Secret of model.tokenSecretRef does not exist in the namespace. Create it; the operator notices "
            "within a minute."
        ),
    )
    SECRET_KEY_NOT_FOUND = (
        "SecretKeyNotFound",
        (
            "The Secret of model.tokenSecretRef has no such key, or its value is empty. Add it; the operator notices "
            "within a minute."
        ),
    )
    BACKEND_OFF = (
        "BackendOff",
        (
            "This operator does not serve the backend that the spec names, and changes nothing of the resource. What "
            "runs already goes on serving. Ask an administrator to add the backend to the setting `backends`, or "
            "create a TGIEndpoint with the other backend."
        ),
    )
    POD_NOT_RESTRICTED = (
        "PodNotRestricted",
        (
            "podTemplate asks for something that reaches beyond the pod: paths of the node, privileges, capabilities, "
            "or a container without its security profiles. The message names the field: remove it. What runs already "
            "goes on serving. Administrators allow it with the setting `pod-template: unrestricted`."
        ),
    )
    USE_NOT_ALLOWED = (
        "UseNotAllowed",
        (
            "A Secret or service account that the spec names does not exist, or lacks the label "
            '`tgi-operator.dev/allow-use: "true"`. The message names the field and has the `kubectl label` command. '
            "What runs already goes on serving. The operator notices the label within a minute."
        ),
    )
    REJECTED_BY_AWS = (
        "RejectedByAWS",
        (
            "AWS refused a request. An invalid request is not repeated until the spec changes; for a refusal that the "
            "operator does not know, the message has the time of the next attempt."
        ),
    )

    REJECTED_BY_KUBERNETES = (
        "RejectedByKubernetes",
        (
            "The API server refused an object that is rendered from the spec, often because of podTemplate, or "
            "because another user or controller changed the object. The message has the error and the time of the "
            "next attempt."
        ),
    )

    # For a person to change: the account or the cluster
    NOT_OWNED = (
        "NotOwned",
        (
            "An object of that name exists and is not owned by this resource, or another TGIEndpoint with that "
            "endpoint name comes first. The operator never touches it: choose another name. To hand an endpoint over "
            "to this resource, add the tags that the message names; the operator notices within a minute."
        ),
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        (
            "The account's quota is used up. Request more in AWS Service Quotas. In the cluster, raise the "
            "ResourceQuota. The operator retries automatically; on SageMaker every 10 to 30 minutes, and the message "
            "has the time."
        ),
    )
    ACCESS_DENIED = (
        "AccessDenied",
        (
            "The operator's IAM identity lacks a permission, or is not allowed to pass the role: check its policy. "
            "With sts:AssumeRoleWithWebIdentity, the operator's own role is missing, or its trust policy does not "
            "name this issuer and service account; with OpenIDConnect, IAM lacks the cluster's issuer as a provider. "
            "The operator retries within 5 minutes. If a read was denied, Ready is Unknown."
        ),
    )
    ROLE_NOT_ALLOWED = (
        "RoleNotAllowed",
        (
            "The namespace is not allowed to use executionRoleARN. Use a role that it is allowed to use, or ask the "
            "administrators of the operator."
        ),
    )
    ENDPOINT_NAME_NOT_ALLOWED = (
        "EndpointNameNotAllowed",
        (
            "The namespace is not allowed to use spec.sageMaker.endpointName. Create a TGIEndpoint without "
            "endpointName, or ask the administrators of the operator to allow the name for the namespace. The operator "
            "notices within 30 seconds."
        ),
    )
    MODEL_DATA_NOT_READABLE = (
        "ModelDataNotReadable",
        (
            "The execution role cannot read the weights in S3. Check model.uri, and s3:GetObject and s3:ListBucket of "
            "executionRoleARN. The operator retries after 1 to 30 minutes; the message has the time."
        ),
    )
    IMAGE_NOT_FOUND = (
        "ImageNotFound",
        (
            "Amazon ECR has no such image, or does not let SageMaker pull it. Check runtime.image or runtime.version "
            "and the region, or push the image. The operator retries after 1 to 30 minutes; the message has the time."
        ),
    )
    INVALID_EXECUTION_ROLE = (
        "InvalidExecutionRole",
        (
            "SageMaker cannot assume executionRoleARN. Check that it exists and trusts sagemaker.amazonaws.com. The "
            "operator retries after 1 to 10 minutes; the message has the time."
        ),
    )

    # For a person to change: what was tried and failed
    ENDPOINT_FAILED = (
        "EndpointFailed",
        "The endpoint could not be created. The message has the FailureReason of AWS. Change the spec.",
    )
    UPDATE_ROLLED_BACK = (
        "UpdateRolledBack",
        "The new revision failed, and AWS returned to the old one, which serves. Change the spec.",
    )
    UPDATE_ROLLBACK_FAILED = (
        "UpdateRollbackFailed",
        (
            "The update and its rollback failed; a mixed fleet still serves. Change the spec to roll out another "
            "revision, or delete the endpoint in AWS to have it created again."
        ),
    )
    CONTAINER_NOT_HEALTHY = (
        "ContainerNotHealthy",
        (
            "The container did not start, or did not pass its health check in time. Read the endpoint's log group and "
            "change the spec."
        ),
    )
    MODEL_DOWNLOAD_FAILED = (
        "ModelDownloadFailed",
        (
            "The weights could not be downloaded. Check uri, revision, token and role. On SageMaker, the operator "
            "retries every 30 minutes, up to 5 times; the message has the time. In the cluster, set the annotation "
            "`tgi-operator.dev/requestedAt` to try again."
        ),
    )
    IMAGE_PULL_FAILED = (
        "ImagePullFailed",
        "The container image cannot be pulled. Check runtime.version or image, and imagePullSecrets.",
    )
    CRASH_LOOP_BACK_OFF = (
        "CrashLoopBackOff",
        "The container ends again and again. The message has its exit code and last output. Change the spec.",
    )
    OOM_KILLED = "OOMKilled", "The container used more memory than its limit. Raise resources.limits.memory."
    OUT_OF_GPU_MEMORY = (
        "OutOfGPUMemory",
        (
            "The model, or one batch of it, does not fit into the GPU memory. Lower maxBatchPrefillTokens or "
            "maxTotalTokens, quantize, or use more or larger GPUs."
        ),
    )
    UNSUPPORTED_MODEL = (
        "UnsupportedModel",
        (
            "TGI does not support this model with these options, or not on this GPU. The message has the launcher's "
            "error: choose another model, version, quantization or GPU."
        ),
    )
    PROBE_FAILED = (
        "ProbeFailed",
        "A pod runs but does not pass its health check. The kubelet restarts it if that lasts. Read its log.",
    )
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        (
            "A change takes longer than it should. SageMaker cannot cancel it: ask AWS support. In the cluster, the "
            "old pods go on serving; check the new ones."
        ),
    )

    OUT_OF_SERVICE = (
        "OutOfService",
        "AWS took the endpoint out of service. Delete it in AWS to have it created again, or ask AWS support.",
    )

    # Events only
    DELETED = "Deleted", "The endpoint or its pods, and everything that belongs to them, are deleted."
    LEFT_ALONE = (
        "LeftAlone",
        (
            "The resource is gone, and something of it may be left: an endpoint that is not tagged as its own or that "
            "the operator is not allowed to read, one whose finalizer another user removed, or a PVC. The message "
            "names it. An endpoint goes on being billed: delete it in AWS."
        ),
    )
    RETAINED = (
        "Retained",
        (
            "The resource was deleted with deletionPolicy Retain. The message names what stays. An endpoint goes on "
            "being billed."
        ),
    )
    SCALED = "Scaled", "Another replica count was requested. The message has who or what requested it."
    BOUNDS_CHANGED = "BoundsChanged", "Other bounds are in force: a schedule began or ended, or the spec changed."
    AUTOSCALING_STOPPED = (
        "AutoscalingStopped",
        "autoscaling was removed from the spec. The replica count stays as it is.",
    )
    TAGS_RESTORED = "TagsRestored", "The operator reverted the tags of the endpoint to the spec's."
    COLLECTION_FAILED = (
        "CollectionFailed",
        (
            "Models, configurations or jobs of old revisions could not be deleted. They cost nothing and do not "
            "change Ready. The message has the error. The operator retries after 1 minute to an hour."
        ),
    )
    STATUS_REFUSED = (
        "StatusRefused",
        (
            "The API server refused the status that the operator wrote, so the status may be out of date. Install the "
            "CRD of this version of the operator, and check admission webhooks and the operator's Role. The operator "
            "retries within a minute."
        ),
    )
    COLLECTED = "Collected", "The operator deleted what old revisions left."
    RESTORED = "Restored", "The operator restored what another user or controller deleted or changed."

    @classmethod
    def known(cls, text: str) -> "Reason | None":
        """Return the reason of that name; None for one that only another version of the operator knows."""
        return next((reason for reason in cls if reason == text), None)
