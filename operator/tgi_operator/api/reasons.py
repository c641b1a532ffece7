"""Every reason of a condition or an Event: its meaning, its fix, and the command for a closer look."""

from enum import StrEnum
from typing import Self

_DESCRIBE = "kubectl describe tgi NAME"
_PLAN = "tgi-operator plan -f FILE"
_PODS = "kubectl describe pods -l tgi-operator.dev/name=NAME"
_POD_LOGS = "kubectl logs -l tgi-operator.dev/name=NAME,app.kubernetes.io/component=server --tail=100"
_CRASH_LOGS = f"{_POD_LOGS} --previous"
_DEPLOYMENT = "kubectl describe deployment NAME"
_FETCH_LOGS = "kubectl logs -l tgi-operator.dev/name=NAME,app.kubernetes.io/component=weights --tail=100"
_HPA = "kubectl describe hpa -l tgi-operator.dev/name=NAME"
_OPERATOR_LOGS = "kubectl logs -n tgi-system -l app.kubernetes.io/name=tgi-operator --prefix --tail=100"
_ENDPOINT = "aws sagemaker describe-endpoint --endpoint-name ENDPOINT --region REGION"
_ENDPOINT_LOGS = "aws logs tail /aws/sagemaker/Endpoints/ENDPOINT --since 1h --region REGION"
_ROLE = "aws iam get-role --role-name ROLE"
_SECRET = "kubectl get secret SECRET --show-labels"  # noqa: S105 - a command
_QUOTA = "kubectl describe resourcequota"
_ACTIVITIES = (
    "aws application-autoscaling describe-scaling-activities --service-namespace sagemaker --region REGION \\\n"
    "  --resource-id endpoint/ENDPOINT/variant/AllTraffic"
)


class Reason(StrEnum):
    """A CamelCase reason: what it `means`, how to `fix` it, and the command for a closer `look`.

    The troubleshooting page shows these texts.
    """

    means: str
    fix: str
    look: str

    def __new__(cls, value: str, means: str = "", fix: str = "", look: str = "") -> Self:
        """Return the reason `value` with its texts."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.means, member.fix, member.look = means, fix, look
        return member

    # Serving
    IN_SERVICE = (
        "InService",
        "The current generation of the spec is rolled out and serving requests.",
        "No action is needed.",
        _DESCRIBE,
    )
    SCALING = (
        "Scaling",
        (
            "The endpoint is serving requests with the current generation of the spec while its replica count is "
            "changing."
        ),
        "Wait.",
        _DESCRIBE,
    )
    SERVING = (
        "Serving",
        "`Available` is True because the endpoint accepts requests with the current revision or an older one.",
        "No action is needed.",
        _DESCRIBE,
    )
    NOT_SERVING = (
        "NotServing",
        "`Available` is False because no instance or pod accepts requests.",
        "See the reason in the `Ready` condition.",
        _DESCRIBE,
    )
    SERVING_UNKNOWN = (
        "ServingUnknown",
        "`Available` is Unknown because the operator cannot determine whether the endpoint accepts requests.",
        "See the reason in the `Ready` condition.",
        _DESCRIBE,
    )
    SCALED_TO_ZERO = (
        "ScaledToZero",
        "The replica count is 0, so no pods are serving requests.",
        "To start pods, set `spec.replicas`, for example, with `kubectl scale tgi/NAME --replicas=1`.",
        _DEPLOYMENT,
    )

    # Following the load (ScalingActive)
    AUTOSCALING = (
        "Autoscaling",
        "The replica count follows the load within the current bounds.",
        "No action is needed.",
        "kubectl get tgi NAME -o jsonpath='{.status.scaling}'",
    )
    ENDPOINT_NOT_IN_SERVICE = (
        "EndpointNotInService",
        "The replica count does not follow the load until the endpoint is in service.",
        "Wait. If the problem persists, see the reason in the `Ready` condition.",
        _DESCRIBE,
    )
    NO_METRICS = (
        "NoMetrics",
        (
            "The autoscaler has no value for the metric, so it keeps the current replica count. TGI does not report "
            "metrics until after its first request."
        ),
        "Send a request. If the problem persists, check that Prometheus scrapes the pods.",
        _HPA,
    )
    METRICS_API_MISSING = (
        "MetricsAPIMissing",
        (
            "The cluster does not serve a custom metrics API, and the operator cannot use KEDA because KEDA is not "
            "installed or `--prometheus-address` is not set."
        ),
        (
            "Install a metrics adapter, or install KEDA and set `--prometheus-address`, as described in "
            "[Scaling](scaling.md). The operator detects a metrics adapter or KEDA within 30 seconds of its "
            "installation."
        ),
        "kubectl get apiservices | grep metrics",
    )
    SCALING_FAILED = (
        "ScalingFailed",
        (
            "The autoscaler requested a different replica count, but the request failed. The autoscaler retries "
            "automatically."
        ),
        "Resolve the autoscaler error in the message.",
        f"{_HPA}\n{_ACTIVITIES}",
    )
    POLICY_CONFLICT = (
        "PolicyConflict",
        (
            "A scaling policy that this resource does not own already tracks the metric, and AWS accepts only one "
            "policy per metric. The endpoint continues to serve requests."
        ),
        "Delete the policy that the message names, or remove the metric from `spec.autoscaling.metrics`.",
        (
            "aws application-autoscaling describe-scaling-policies --service-namespace sagemaker --region REGION \\\n"
            "  --resource-id endpoint/ENDPOINT/variant/AllTraffic"
        ),
    )
    SCALING_UNKNOWN = (
        "ScalingUnknown",
        (
            "The operator cannot read from Application Auto Scaling, so it does not know whether the replica count "
            "follows the load. The operator retries within 5 minutes."
        ),
        "Resolve the AWS error in the message. A common cause is a missing permission in the operator's role.",
        _ACTIVITIES,
    )

    # In progress
    CREATING = (
        "Creating",
        (
            "The endpoint or its pods are being created, and the containers are loading the model. This usually takes "
            "several minutes, or longer for larger models."
        ),
        "Wait. If the startup takes longer than the startup timeout, read the container logs.",
        f"{_ENDPOINT_LOGS}\n{_POD_LOGS}",
    )
    FETCHING_WEIGHTS = (
        "FetchingWeights",
        "A Job is downloading the weights to the PVC. The pods start after the Job completes.",
        "Wait. The message shows the progress.",
        _FETCH_LOGS,
    )
    UPDATING = (
        "Updating",
        (
            "A new revision is being rolled out. The old revision continues to serve requests until the new one is "
            "ready."
        ),
        "Wait.",
        _DESCRIBE,
    )
    SYSTEM_UPDATING = (
        "SystemUpdating",
        (
            "AWS is performing maintenance on the endpoint, which continues to serve requests. Changes wait until the "
            "maintenance is complete."
        ),
        "Wait.",
        _ENDPOINT,
    )
    ROLLING_BACK = (
        "RollingBack",
        "AWS is rolling the endpoint back to its previous capacity.",
        "Wait. After the rollback, the status shows why the update failed.",
        _ENDPOINT,
    )
    UNSCHEDULABLE = (
        "Unschedulable",
        "No node has room for a pod. The pod starts automatically as soon as a node has room for it.",
        (
            "Resolve the scheduler error in the message. For example, free or add GPUs, or change `gpu`, "
            "`nodeSelector` or `tolerations` in `spec.inCluster`."
        ),
        _PODS,
    )
    DELETING = (
        "Deleting",
        "The endpoint is being deleted, along with everything that the operator created for it.",
        "Wait. SageMaker does not delete an endpoint until any change in progress is complete.",
        _ENDPOINT,
    )
    REPLACING = (
        "Replacing",
        "The operator is deleting a failed endpoint and will recreate it.",
        "Wait.",
        _ENDPOINT,
    )
    THROTTLED = (
        "Throttled",
        "AWS is throttling requests. The operator reduces its request rate and retries automatically.",
        "Wait. If the problem persists, find out which other clients in the account call SageMaker.",
        _OPERATOR_LOGS,
    )
    AWS_UNAVAILABLE = (
        "AWSUnavailable",
        (
            "AWS is not responding or is reporting internal errors. After two failed sweeps (periodic listings of the "
            "endpoints in a region) and at least a minute, `Ready` and `Available` become Unknown until the operator "
            "can read from AWS again. The operator retries automatically. Requests to the endpoint do not pass through "
            "the operator."
        ),
        "Wait. If the problem persists, check the AWS Health Dashboard and the network between the operator and AWS.",
        _OPERATOR_LOGS,
    )
    CREDENTIALS_EXPIRED = (
        "CredentialsExpired",
        (
            "The operator's AWS credentials have expired or are unavailable. The operator automatically requests new "
            "credentials."
        ),
        (
            "If the problem persists, check the operator's role. If you use EKS Pod Identity, also check the Pod "
            "Identity association and the add-on."
        ),
        _OPERATOR_LOGS,
    )
    INSUFFICIENT_CAPACITY = (
        "InsufficientCapacity",
        (
            "AWS has no available instances of this type. The operator retries after 1 to 30 minutes, up to 50 times. "
            "The message shows the time of the next attempt."
        ),
        "Wait or use another `instanceType`. To use another region, create a new TGIEndpoint.",
        _ENDPOINT,
    )
    INTERNAL_FAILURE = (
        "InternalFailure",
        (
            "AWS reported an internal error (`Request to service failed`). The operator retries after 1 to 30 minutes, "
            "up to 50 times. The message shows the time of the next attempt."
        ),
        "Wait. If the problem persists, contact AWS Support.",
        _ENDPOINT,
    )
    KUBERNETES_ERROR = (
        "KubernetesError",
        (
            "More than three times in a row, the API server has rejected the operator's requests or has failed to "
            "respond. The operator retries within a minute."
        ),
        (
            "Find out why the API server rejects the request that the message names. Possible causes are a missing "
            "permission in the operator's Role, a quota, or an admission webhook."
        ),
        _OPERATOR_LOGS,
    )
    UNKNOWN_ENDPOINT_STATUS = (
        "UnknownEndpointStatus",
        (
            "AWS reports an `EndpointStatus` that this version of the operator does not recognize, so the operator "
            "makes no changes. `Ready` and `Available` are Unknown."
        ),
        "Upgrade the operator.",
        _ENDPOINT,
    )
    RECONCILE_ERROR = (
        "ReconcileError",
        "An internal error occurred in the operator. The operator retries automatically.",
        "Report the error as a bug, and include the traceback from the operator's log.",
        _OPERATOR_LOGS,
    )

    # A user must change the spec
    INVALID_SPEC = (
        "InvalidSpec",
        "A field or a combination of fields in the spec is invalid.",
        (
            "Change the fields that the message names. If the CRD is older than the operator, apply the CRD that "
            "matches the operator's version."
        ),
        _PLAN,
    )
    UNKNOWN_REGION = (
        "UnknownRegion",
        (
            "`spec.sageMaker.region` is not an AWS region, or the operator is not allowed to use that region. The "
            "operator does not connect to the region."
        ),
        (
            "Create a new TGIEndpoint in another region, or if the region name is correct, ask an administrator to add "
            "the region to `--aws-regions`. After the administrator adds the region, the operator restarts and "
            "continues. Until the region is added, a resource that was deployed in that region cannot be deleted "
            "completely."
        ),
        "kubectl get tgi NAME -o jsonpath='{.spec.sageMaker.region}'",
    )
    UNKNOWN_VERSION = (
        "UnknownVersion",
        "The operator has no image for this TGI version.",
        (
            "Set `spec.runtime.version` to a version that the message or `tgi-operator catalog list` shows, or set "
            "`spec.runtime.image`."
        ),
        "tgi-operator catalog list",
    )
    UNSUPPORTED_INSTANCE_TYPE = (
        "UnsupportedInstanceType",
        "TGI does not run on this instance type, or the type is not in the operator's instance table.",
        "Use an instance type that the message lists.",
        _PLAN,
    )
    UNSUPPORTED_GPU = (
        "UnsupportedGPU",
        "`spec.inCluster.gpu` requests GPUs that TGI does not run on, or that TGI has no image for.",
        "Change the GPUs or the image as the message describes.",
        "kubectl get nodes -L nvidia.com/gpu.product",
    )
    INVALID_NUM_SHARD = (
        "InvalidNumShard",
        (
            "`spec.runtime.numShard` is incompatible with the number of GPUs or with the number of attention heads in "
            "the model."
        ),
        "Change `spec.runtime.numShard` or the number of GPUs as the message describes.",
        _PLAN,
    )
    CONFLICTING_OPTIONS = (
        "ConflictingOptions",
        "Launcher options conflict with each other, or an option has an invalid value.",
        "Change the options that the message names.",
        _PLAN,
    )
    SECRET_NOT_FOUND = (
        "SecretNotFound",
        "A Secret that `spec.model.tokenSecretRef` or `spec.runtime.env` names does not exist in the namespace.",
        "Create the Secret with the command in the message. The operator detects the change within a minute.",
        _SECRET,
    )
    SECRET_KEY_NOT_FOUND = (
        "SecretKeyNotFound",
        (
            "A Secret that `spec.model.tokenSecretRef` or `spec.runtime.env` names does not contain the key, or the "
            "value of the key is empty, starts or ends with whitespace, or is not one line of text."
        ),
        "Change the key in the Secret as the message describes. The operator detects the change within a minute.",
        "kubectl describe secret SECRET",
    )
    BACKEND_OFF = (
        "BackendOff",
        (
            "The backend that the spec selects is not enabled for this operator, so the operator makes no changes. An "
            "existing endpoint continues to serve requests."
        ),
        (
            "Ask an administrator to add the backend to the `backends` setting, or create a TGIEndpoint with the other "
            "backend."
        ),
        _DESCRIBE,
    )
    POD_NOT_RESTRICTED = (
        "PodNotRestricted",
        (
            "`spec.inCluster.podTemplate` requests access beyond the pod, such as host paths, privileges or "
            "additional capabilities, or it disables a security profile of a container. Existing pods continue to "
            "serve requests."
        ),
        ("Remove the field that the message names, or ask an administrator to set `pod-template` to `unrestricted`."),
        _PLAN,
    )
    ANNOTATION_NOT_ALLOWED = (
        "AnnotationNotAllowed",
        (
            "`spec.inCluster.service.annotations` contains an annotation that no administrator has allowed. Other "
            "controllers act on the annotations of a Service. Existing pods continue to serve requests."
        ),
        "Remove the annotation, or ask an administrator to add it to the `service-annotations` setting.",
        _PLAN,
    )
    USE_NOT_ALLOWED = (
        "UseNotAllowed",
        (
            "A Secret or service account that the spec names does not exist or does not have the "
            '`tgi-operator.dev/allow-use: "true"` label. Existing pods or instances continue to serve requests.'
        ),
        (
            "Run the `kubectl label` command in the message, or create the object with the label. The operator "
            "detects the change within a minute."
        ),
        _SECRET,
    )
    PVC_NOT_FOUND = (
        "PVCNotFound",
        "A PersistentVolumeClaim (PVC) that the spec names does not exist in the namespace.",
        (
            "Create the PVC or specify another one in `spec.inCluster.cache.claimName` or `spec.model.uri`. After you "
            "create the PVC, the pod starts automatically."
        ),
        f"kubectl get pvc\n{_PODS}",
    )
    REJECTED_BY_AWS = (
        "RejectedByAWS",
        (
            "AWS rejected a request. The operator does not repeat an invalid request until the spec changes. If the "
            "operator does not recognize the error, it retries, and the message shows the time of the next attempt."
        ),
        "Resolve the AWS error in the message.",
        _DESCRIBE,
    )
    REJECTED_BY_KUBERNETES = (
        "RejectedByKubernetes",
        (
            "The API server rejected an object that the operator rendered from the spec. The cause is often "
            "`spec.inCluster.podTemplate` or a change to the object by another user or controller. The message shows "
            "the time of the next attempt."
        ),
        (
            "Resolve the error in the message. For example, change `spec.inCluster.podTemplate` or the policy that "
            "rejects the object."
        ),
        _DEPLOYMENT,
    )

    # A user must change the account or the cluster
    NOT_OWNED = (
        "NotOwned",
        (
            "An object with the same name exists but is not owned by this resource, or another TGIEndpoint with the "
            "same endpoint name takes precedence. The operator never changes an object that the resource does not "
            "own."
        ),
        (
            "Use another name. To hand over an endpoint to this resource, add the tags that the message names. The "
            "operator detects the change within a minute."
        ),
        "aws sagemaker list-tags --resource-arn ARN --region REGION",
    )
    QUOTA_EXCEEDED = (
        "QuotaExceeded",
        (
            "A quota of the AWS account or a ResourceQuota in the namespace is exhausted. The operator retries "
            "automatically. On SageMaker, it retries every 10 to 30 minutes. The message shows the time of the next "
            "attempt."
        ),
        (
            "In AWS Service Quotas, request an increase for the quota that the message names. In the cluster, raise "
            "the ResourceQuota."
        ),
        f"aws service-quotas list-service-quotas --service-code sagemaker --region REGION\n{_QUOTA}",
    )
    ACCESS_DENIED = (
        "AccessDenied",
        (
            "The operator's role lacks an IAM permission or is not allowed to pass the execution role. The operator "
            "retries within 5 minutes. If a read was denied, `Ready` is Unknown."
        ),
        (
            "Check the policy of the operator's role. If the message contains `sts:AssumeRoleWithWebIdentity`, the "
            "role is missing, or its trust policy does not name the cluster's issuer and the operator's service "
            "account. If the message contains `OpenIDConnect`, IAM has no identity provider for the cluster's issuer."
        ),
        _OPERATOR_LOGS,
    )
    ROLE_NOT_ALLOWED = (
        "RoleNotAllowed",
        "The namespace is not allowed to use the role in `spec.sageMaker.executionRoleARN`.",
        "Use a role that the message lists, or ask an administrator to allow the role.",
        _DESCRIBE,
    )
    ENDPOINT_NAME_NOT_ALLOWED = (
        "EndpointNameNotAllowed",
        "The namespace is not allowed to use the name in `spec.sageMaker.endpointName`.",
        (
            "Create a TGIEndpoint without `endpointName`, or ask an administrator to allow the name. The operator "
            "detects the change within 30 seconds."
        ),
        _DESCRIBE,
    )
    MODEL_DATA_NOT_READABLE = (
        "ModelDataNotReadable",
        (
            "The execution role cannot read the weights in S3. The operator retries after 1 to 30 minutes. The message "
            "shows the time of the next attempt."
        ),
        (
            "Check `spec.model.uri`, and check that the role in `spec.sageMaker.executionRoleARN` has the "
            "`s3:GetObject` and `s3:ListBucket` permissions."
        ),
        "aws s3 ls s3://BUCKET/FOLDER/",
    )
    IMAGE_NOT_FOUND = (
        "ImageNotFound",
        (
            "Amazon ECR does not contain the image or does not allow SageMaker to pull the image. The operator retries "
            "after 1 to 30 minutes. The message shows the time of the next attempt."
        ),
        "Check the region and `spec.runtime.image` or `spec.runtime.version`, or push the image.",
        "aws ecr describe-images --repository-name REPOSITORY --region REGION",
    )
    INVALID_EXECUTION_ROLE = (
        "InvalidExecutionRole",
        (
            "SageMaker cannot assume the role in `spec.sageMaker.executionRoleARN`. The operator retries after 1 to 10 "
            "minutes. The message shows the time of the next attempt."
        ),
        "Check that the role exists and that its trust policy names `sagemaker.amazonaws.com`.",
        _ROLE,
    )

    # A user must change the cause of a failed attempt
    ENDPOINT_FAILED = (
        "EndpointFailed",
        "SageMaker could not create the endpoint. The message shows the `FailureReason` from AWS.",
        "Read the container logs and change the spec.",
        f"{_ENDPOINT}\n{_ENDPOINT_LOGS}",
    )
    UPDATE_ROLLED_BACK = (
        "UpdateRolledBack",
        ("The new revision failed, and AWS or the operator rolled back to the last revision that served requests."),
        (
            "Read the container logs and change the spec. To try the same spec again, set the "
            "`tgi-operator.dev/requestedAt` annotation to any new value."
        ),
        _ENDPOINT_LOGS,
    )
    UPDATE_ROLLBACK_FAILED = (
        "UpdateRollbackFailed",
        "The update and its rollback failed. Instances of both revisions might be serving requests.",
        (
            "Change the spec to roll out another revision, or delete the endpoint in AWS so that the operator "
            "recreates it."
        ),
        f"{_ENDPOINT}\n{_ENDPOINT_LOGS}",
    )
    CONTAINER_NOT_HEALTHY = (
        "ContainerNotHealthy",
        "The container did not start or did not pass its health check in time.",
        "Read the log group that the message names, and change the spec.",
        _ENDPOINT_LOGS,
    )
    MODEL_DOWNLOAD_FAILED = (
        "ModelDownloadFailed",
        (
            "The weights could not be downloaded. On SageMaker, the operator retries every 30 minutes, up to 5 times. "
            "In the cluster, it retries after pauses of up to one hour. The message shows the time of the next "
            "attempt. The operator does not retry if you must first fix the cause, for example, by getting access to a "
            "gated model."
        ),
        (
            "Check the URI, the revision, the token and the role. If the message does not show a time for the next "
            "attempt and the cause is outside the spec, fix the cause, and then set the "
            "`tgi-operator.dev/requestedAt` annotation to any new value."
        ),
        f"{_ENDPOINT_LOGS}\n{_FETCH_LOGS}",
    )
    IMAGE_PULL_FAILED = (
        "ImagePullFailed",
        "A node cannot pull the container image.",
        (
            "Check `spec.runtime.version` or `spec.runtime.image`, and check `imagePullSecrets` in "
            "`spec.inCluster.podTemplate`."
        ),
        _PODS,
    )
    CRASH_LOOP_BACK_OFF = (
        "CrashLoopBackOff",
        "The container keeps exiting. The message shows its exit code and its last log lines.",
        "Resolve the error in the log, usually by changing the spec.",
        _CRASH_LOGS,
    )
    OOM_KILLED = (
        "OOMKilled",
        "The container used more memory than its limit.",
        "Raise `spec.inCluster.resources.limits.memory`.",
        _PODS,
    )
    OUT_OF_GPU_MEMORY = (
        "OutOfGPUMemory",
        "The model or one batch of requests does not fit in GPU memory.",
        (
            "Lower `maxBatchPrefillTokens` or `maxTotalTokens` in `spec.runtime`, quantize the model, or use more or "
            "larger GPUs."
        ),
        _CRASH_LOGS,
    )
    UNSUPPORTED_MODEL = (
        "UnsupportedModel",
        "TGI does not support this model with these options or on this GPU. The message shows the launcher's error.",
        "Use another model, version, quantization or GPU.",
        _CRASH_LOGS,
    )
    PROBE_FAILED = (
        "ProbeFailed",
        (
            "A pod is running but does not pass its health check. If the check keeps failing, the kubelet restarts the "
            "container."
        ),
        "Read the container logs.",
        _POD_LOGS,
    )
    PROGRESS_DEADLINE_EXCEEDED = (
        "ProgressDeadlineExceeded",
        "A change is taking longer than expected. In the cluster, the old pods continue to serve requests.",
        ("On SageMaker, contact AWS Support because a change cannot be canceled. In the cluster, check the new pods."),
        f"{_ENDPOINT}\n{_PODS}",
    )
    OUT_OF_SERVICE = (
        "OutOfService",
        "AWS took the endpoint out of service.",
        "Delete the endpoint in AWS so that the operator recreates it, or contact AWS Support.",
        _ENDPOINT,
    )

    # Events only
    DELETED = (
        "Deleted",
        ("The endpoint or its pods have been deleted, along with everything that the operator created for them."),
        "No action is needed.",
        "kubectl get events --field-selector reason=Deleted",
    )
    LEFT_ALONE = (
        "LeftAlone",
        (
            "The resource was deleted, but an endpoint or a PVC might remain because the operator lacked a "
            "permission, the tags of the endpoint did not name the resource, or another user removed the finalizer. A "
            "remaining endpoint continues to be billed."
        ),
        "In AWS or in the cluster, delete the object that the message names.",
        _ENDPOINT,
    )
    RETAINED = (
        "Retained",
        "The resource was deleted with `deletionPolicy: Retain`. A retained endpoint continues to be billed.",
        "When you no longer need the objects that the message names, delete them.",
        _ENDPOINT,
    )
    SCALED = (
        "Scaled",
        "The replica count changed. The message shows who or what requested the change.",
        "No action is needed.",
        "kubectl get tgi NAME -o jsonpath='{.status.scaling.history}'",
    )
    BOUNDS_CHANGED = (
        "BoundsChanged",
        "The scaling bounds changed because a schedule began or ended, or because the spec changed.",
        "No action is needed.",
        "kubectl get tgi NAME -o jsonpath='{.status.scaling}'",
    )
    AUTOSCALING_STOPPED = (
        "AutoscalingStopped",
        "`autoscaling` was removed from the spec. The replica count no longer changes automatically.",
        "No action is needed.",
        _DESCRIBE,
    )
    TAGS_RESTORED = (
        "TagsRestored",
        "The operator reverted the tags of the endpoint to match the spec.",
        "No action is needed. To change the tags, edit `spec.sageMaker.tags`.",
        "aws sagemaker list-tags --resource-arn ARN --region REGION",
    )
    COLLECTION_FAILED = (
        "CollectionFailed",
        (
            "Models, endpoint configurations or Jobs from old revisions could not be deleted. These objects cost "
            "nothing and do not affect `Ready`. The operator retries after 1 to 60 minutes."
        ),
        "Resolve the error in the message.",
        _OPERATOR_LOGS,
    )
    STATUS_REFUSED = (
        "StatusRefused",
        (
            "The API server rejected the status that the operator wrote, so the status might be out of date. The "
            "operator retries within a minute."
        ),
        ("Apply the CRD for this version of the operator, and check the admission webhooks and the operator's Role."),
        _OPERATOR_LOGS,
    )
    COLLECTED = "Collected", "The operator deleted objects from old revisions.", "No action is needed.", _DESCRIBE
    RESTORED = (
        "Restored",
        "The operator restored an object that another user or controller deleted or changed.",
        "No action is needed. To change the object permanently, change the spec.",
        _DESCRIBE,
    )

    @classmethod
    def known(cls, text: str) -> "Reason | None":
        """Return the reason of that name, or None if only another version of the operator knows it."""
        return next((reason for reason in cls if reason == text), None)
