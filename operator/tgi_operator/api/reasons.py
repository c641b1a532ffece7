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
    IN_SERVICE = "InService", "The generation is rolled out and serves. Nothing to do."
    SCALING = "Scaling", "The endpoint serves this generation while the number of its instances or pods changes."

    SERVING = "Serving", "Available: the endpoint accepts requests, whichever generation it runs."
    NOT_SERVING = "NotServing", "Available: no instance or pod accepts requests. The reason of Ready says why."
    SERVING_UNKNOWN = "ServingUnknown", "Available: AWS or the API server cannot be read, so nobody knows."

    SCALED_TO_ZERO = "ScaledToZero", "No pods are wanted, so none serves. Scale the Deployment, or set replicas."

    # Following the load (ScalingActive)
    AUTOSCALING = "Autoscaling", "The number of instances or pods follows the load within the bounds in force."
    ENDPOINT_NOT_IN_SERVICE = (
        "EndpointNotInService",
        "The number does not follow the load yet: it does once the endpoint serves. Wait.",
    )
    NO_METRICS = (
        "NoMetrics",
        (
            "The autoscaler has no value of the metric, and keeps the number as it is. TGI tells its metrics from the "
            "first request on; if it lasts, see whether Prometheus scrapes the pods."
        ),
    )
    METRICS_API_MISSING = (
        "MetricsAPIMissing",
        (
            "The cluster serves no custom metrics, and KEDA is not installed or `--prometheus-address` is not set: "
            "docs/scaling.md says how. Then restart the operator."
        ),
    )
    SCALING_FAILED = (
        "ScalingFailed",
        "The autoscaler wanted another number and did not get it. The message has its words; it tries again.",
    )

    POLICY_CONFLICT = (
        "PolicyConflict",
        (
            "A scaling policy that is not owned by this resource already tracks the metric, and AWS takes one policy "
            "for a metric. Delete the policy that the message names, or remove the metric."
        ),
    )
    SCALING_UNKNOWN = (
        "ScalingUnknown",
        (
            "Application Auto Scaling cannot be read, so nobody knows whether the number follows the load. The message "
            "has AWS's answer; the operator reads it again within 5 minutes."
        ),
    )

    # On the way
    CREATING = "Creating", "What serves is being created, and the model loaded. Wait: minutes are usual."
    FETCHING_WEIGHTS = "FetchingWeights", "A job downloads the weights into the claim. Pods follow when it is done."
    UPDATING = "Updating", "A new revision is being rolled out; the old one serves meanwhile."
    SYSTEM_UPDATING = "SystemUpdating", "AWS maintains the endpoint. It serves; changes wait until AWS is done."
    ROLLING_BACK = "RollingBack", "AWS returns the endpoint to its previous capacity."
    UNSCHEDULABLE = (
        "Unschedulable",
        (
            "No node takes a pod: the message has the scheduler's words. Free or add GPUs of that kind, or change gpu, "
            "nodeSelector or tolerations. Where it names a claim, create that, or see what `kubectl describe pvc` "
            "says. It goes on by itself."
        ),
    )
    DELETING = "Deleting", "The endpoint and what belongs to it are being deleted."
    REPLACING = "Replacing", "A failed endpoint is deleted so that it can be created again."
    THROTTLED = "Throttled", "AWS limits the rate of calls. The operator slows down and goes on by itself."
    AWS_UNAVAILABLE = "AWSUnavailable", "AWS did not answer or had an internal error. It is retried."
    CREDENTIALS_EXPIRED = (
        "CredentialsExpired",
        (
            "The operator's AWS credentials expired or were not handed out, and are asked for again. Where that lasts: "
            "see the role, and with EKS Pod Identity the association and the add-on."
        ),
    )
    INSUFFICIENT_CAPACITY = (
        "InsufficientCapacity",
        "AWS has no such instances free now. It is retried with a growing pause; another instanceType or region helps.",
    )
    INTERNAL_FAILURE = "InternalFailure", "AWS failed inside (`Request to service failed`). It is retried."
    KUBERNETES_ERROR = (
        "KubernetesError",
        (
            "The API server has refused requests of the operator for a while. The message names the request: check the "
            "operator's Role, quotas and admission webhooks. The operator tries again within a minute."
        ),
    )
    UNKNOWN_ENDPOINT_STATUS = (
        "UnknownEndpointStatus",
        "AWS reports an EndpointStatus that this version of the operator does not know. Upgrade the operator.",
    )
    RECONCILE_ERROR = "ReconcileError", "The operator met an error of its own. It is retried; see its log."

    # For a person to change: the spec
    INVALID_SPEC = "InvalidSpec", "A field, or two together, cannot work. The message names them and what to write."
    UNKNOWN_VERSION = "UnknownVersion", "The catalogue has no image of that TGI version for that region."
    UNSUPPORTED_INSTANCE_TYPE = "UnsupportedInstanceType", "TGI does not run on that instance type."
    INVALID_NUM_SHARD = "InvalidNumShard", "numShard does not fit the GPUs of the instance."
    CONFLICTING_OPTIONS = "ConflictingOptions", "Launcher options contradict each other or have a wrong value."
    SECRET_NOT_FOUND = "SecretNotFound", "The Secret of model.tokenSecretRef does not exist in the namespace."
    SECRET_KEY_NOT_FOUND = "SecretKeyNotFound", "The Secret exists, but has no such key or it is empty."
    REJECTED_BY_AWS = "RejectedByAWS", "AWS refused a request as invalid. It is not repeated until the spec changes."

    REJECTED_BY_KUBERNETES = (
        "RejectedByKubernetes",
        (
            "The API server refused an object made from the spec, often because of podTemplate, or because somebody "
            "changed the object. The message has its words."
        ),
    )

    # For a person to change: the account or the cluster
    NOT_OWNED = (
        "NotOwned",
        (
            "Something of that name exists and is not this resource's. It is never touched: choose another name. An "
            "endpoint that is to be this resource's gets the tags that the message names."
        ),
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        (
            "The account's quota is used up. Ask for more in AWS Service Quotas; the operator tries again every 10 to "
            "30 minutes."
        ),
    )
    ACCESS_DENIED = (
        "AccessDenied",
        (
            "The operator's IAM identity lacks a permission, or may not pass the role: see its policy. With "
            "sts:AssumeRoleWithWebIdentity the operator's own role is missing, or its trust policy does not name this "
            "issuer and service account; with OpenIDConnect, IAM lacks the cluster's issuer as a provider. It tries "
            "again within 5 minutes."
        ),
    )
    ROLE_NOT_ALLOWED = (
        "RoleNotAllowed",
        "The namespace may not use executionRoleARN. Use a role that it may, or ask the operator's administrators.",
    )
    MODEL_DATA_NOT_READABLE = (
        "ModelDataNotReadable",
        (
            "The execution role cannot read the weights in S3. Check model.uri, and s3:GetObject and s3:ListBucket of "
            "executionRoleARN. The operator tries again; the message has the time."
        ),
    )
    IMAGE_NOT_FOUND = (
        "ImageNotFound",
        (
            "Amazon ECR has no such image. Check runtime.image or runtime.version and the region, or push the image. "
            "The operator tries again; the message has the time."
        ),
    )
    INVALID_EXECUTION_ROLE = (
        "InvalidExecutionRole",
        "SageMaker cannot assume executionRoleARN. Check that it exists and trusts sagemaker.amazonaws.com.",
    )

    # For a person to change: what was tried and failed
    ENDPOINT_FAILED = "EndpointFailed", "The endpoint could not be created. The reason is AWS' own; change the spec."
    UPDATE_ROLLED_BACK = (
        "UpdateRolledBack",
        "The new revision failed and AWS returned to the old one, which serves. Change the spec.",
    )
    UPDATE_ROLLBACK_FAILED = (
        "UpdateRollbackFailed",
        "The update and its rollback failed; a mixed fleet still serves. Change the spec to roll out again.",
    )
    CONTAINER_NOT_HEALTHY = (
        "ContainerNotHealthy",
        "The container did not start or did not answer its health check in time. Read the endpoint's log group.",
    )
    MODEL_DOWNLOAD_FAILED = (
        "ModelDownloadFailed",
        (
            "The weights could not be downloaded. Check uri, revision, token and role. In the cluster, delete the "
            "failed job to have it tried again."
        ),
    )
    IMAGE_PULL_FAILED = "ImagePullFailed", "The container image cannot be pulled. Check runtime.version or image."
    CRASH_LOOP_BACK_OFF = (
        "CrashLoopBackOff",
        "The container ends again and again. The message has its last words and exit code: change the spec.",
    )
    OOM_KILLED = "OOMKilled", "The container took more memory than its limit. Raise resources.limits.memory."
    OUT_OF_GPU_MEMORY = (
        "OutOfGPUMemory",
        (
            "The model, or one batch of it, does not fit the GPU. Lower maxBatchPrefillTokens or maxTotalTokens, "
            "quantize, or take more or larger GPUs."
        ),
    )
    UNSUPPORTED_MODEL = (
        "UnsupportedModel",
        (
            "TGI cannot run this model so, or not on this GPU. The message has its words: another model, version, "
            "quantization or GPU."
        ),
    )
    PROBE_FAILED = (
        "ProbeFailed",
        "A pod runs and does not answer its health check. It is restarted when that lasts; read its log.",
    )
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        (
            "A change takes longer than it ever should. On SageMaker nothing can be cancelled: ask AWS support. In the "
            "cluster the old pods serve on; look at the new ones."
        ),
    )

    OUT_OF_SERVICE = "OutOfService", "AWS took the endpoint out of service. Ask AWS support, or delete it in AWS."

    # Events only
    DELETED = "Deleted", "The endpoint and what belongs to it are gone."
    LEFT_ALONE = (
        "LeftAlone",
        "The resource is gone, and an endpoint of its name that is not tagged as its own is still there. It may bill.",
    )
    RETAINED = "Retained", "The resource was deleted with deletionPolicy Retain: what it names was left alone."
    SCALED = "Scaled", "Another number of instances or pods was asked for, by whom or why is in the message."
    BOUNDS_CHANGED = "BoundsChanged", "Other bounds are in force: a schedule began or ended, or the spec changed."
    AUTOSCALING_STOPPED = "AutoscalingStopped", "The autoscaling was taken out of the spec; the number stays as it is."
    TAGS_RESTORED = "TagsRestored", "Tags of the endpoint were put right."
    COLLECTION_FAILED = (
        "CollectionFailed",
        (
            "Models or configurations of old revisions could not be deleted. They cost nothing; the message has AWS's "
            "answer. The operator tries again."
        ),
    )
    STATUS_REFUSED = (
        "StatusRefused",
        (
            "The API server refused the status that the operator wrote, so the status may be out of date. Install the "
            "CRD of this version of the operator, and check admission webhooks."
        ),
    )
    COLLECTED = "Collected", "What old revisions left was deleted."
    RESTORED = "Restored", "What somebody deleted or changed was put back."

    @classmethod
    def known(cls, text: str) -> "Reason | None":
        """Return the reason of that name; None for one that only another version of the operator knows."""
        return next((reason for reason in cls if reason == text), None)
