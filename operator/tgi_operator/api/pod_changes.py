"""`spec.inCluster.podTemplate`: the changes that users can make to the TGI pod, spelled as in a PodTemplateSpec.

Each field has a type and each list has a bound, so that the API server refuses or drops everything else. Host
namespaces and the name of a node are not fields of this object. The grace period and the node selector are fields of
`inCluster`, because the operator computes with them.
"""

from typing import Annotated, Literal

from pydantic import Field

from tgi_operator.api.objects import (
    ATOMIC_LIST,
    INT32_MAX,
    APIObject,
    Int32,
    LabelKey,
    LabelValue,
    NestedQuantity,
    ObjectName,
    PortReference,
    Positive,
    list_map,
    most_fields,
)

Text = Annotated[str, Field(max_length=8192)]
Path = Annotated[str, Field(min_length=1, max_length=1024)]
Short = Annotated[str, Field(max_length=253)]
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
Key = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
Variable = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[-._a-zA-Z][-._a-zA-Z0-9]*$")]
UserID = Annotated[int, Field(ge=0, le=INT32_MAX, json_schema_extra={"format": "int64"})]
PortNumber = Annotated[Int32, Field(ge=1, le=65535)]
Mode = Annotated[Int32, Field(ge=0, le=0o777)]
Seconds = Annotated[Int32, Field(ge=0, le=86400)]


class NodeSelectorRequirement(APIObject):
    """A requirement for a label of a node."""

    key: LabelKey = Field(description="Label key.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(
        description="How the label is compared with `values`."
    )
    values: tuple[LabelValue, ...] | None = Field(
        default=None,
        max_length=16,
        json_schema_extra=ATOMIC_LIST,
        description="Values that the label is compared with.",
    )


class NodeSelectorTerm(APIObject):
    """A node selector term, which a node matches if it meets all requirements."""

    match_expressions: tuple[NodeSelectorRequirement, ...] = Field(
        min_length=1,
        max_length=8,
        json_schema_extra=ATOMIC_LIST,
        description="Label requirements, all of which a node must meet.",
    )


class NodeSelector(APIObject):
    """Node selector terms, at least one of which a node must match."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = Field(
        min_length=1,
        max_length=4,
        json_schema_extra=ATOMIC_LIST,
        description="Node selector terms, at least one of which a node must match.",
    )


Weight = Annotated[Int32, Field(ge=1, le=100)]


class PreferredSchedulingTerm(APIObject):
    """A preference for nodes, and its weight."""

    weight: Weight = Field(description="Weight of the preference.")
    preference: NodeSelectorTerm = Field(description="Node selector term that a preferred node matches.")


class NodeAffinity(APIObject):
    """Nodes that the pod can run on."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None,
        description="Requirements that a node must meet, in addition to those that `gpu.products` sets.",
    )
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredSchedulingTerm, ...] | None = Field(
        default=None,
        max_length=4,
        json_schema_extra=ATOMIC_LIST,
        description="Preferences that a node should meet.",
    )


class LabelSelectorRequirement(APIObject):
    """A requirement for a label."""

    key: LabelKey = Field(description="Label key.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label is compared with `values`."
    )
    values: tuple[LabelValue, ...] | None = Field(
        default=None,
        max_length=16,
        json_schema_extra=ATOMIC_LIST,
        description="Values that the label is compared with.",
    )


class LabelSelector(APIObject):
    """Selects objects by their labels. An empty selector selects all objects."""

    match_labels: dict[str, LabelValue] | None = Field(
        default=None, max_length=8, description="Labels and exact values that an object must have."
    )
    match_expressions: tuple[LabelSelectorRequirement, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=ATOMIC_LIST, description="Label requirements, all of which apply."
    )


LabelKeys = Annotated[tuple[LabelKey, ...], Field(max_length=4, json_schema_extra=ATOMIC_LIST)]


class PodAffinityTerm(APIObject):
    """A set of pods, and the topology domain that the term refers to."""

    topology_key: LabelKey = Field(
        description="Node label that defines a topology domain, such as kubernetes.io/hostname."
    )
    label_selector: LabelSelector | None = Field(
        default=None, description="Selects the pods that the term applies to. Default: no pods."
    )
    match_label_keys: LabelKeys | None = Field(
        default=None,
        description="Label keys. The term applies only to pods whose values match those of the new pod.",
    )
    mismatch_label_keys: LabelKeys | None = Field(
        default=None,
        description="Label keys. The term applies only to pods whose values differ from those of the new pod.",
    )
    namespaces: tuple[Name, ...] | None = Field(
        default=None,
        max_length=8,
        json_schema_extra=ATOMIC_LIST,
        description="Namespaces of the pods that the term applies to. Default: the namespace of the new pod.",
    )
    namespace_selector: LabelSelector | None = Field(
        default=None, description="Selects additional namespaces by their labels."
    )


class WeightedPodAffinityTerm(APIObject):
    """A pod affinity term, and its weight."""

    weight: Weight = Field(description="Weight of the preference.")
    pod_affinity_term: PodAffinityTerm = Field(description="Term that a preferred node satisfies.")


class PodAffinity(APIObject):
    """Placement relative to other pods."""

    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=ATOMIC_LIST, description="Terms that a node must satisfy."
    )
    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=ATOMIC_LIST, description="Terms that a node should satisfy."
    )


class Affinity(APIObject):
    """Scheduling rules that depend on the node or on other pods."""

    node_affinity: NodeAffinity | None = Field(default=None, description="Rules based on the labels of nodes.")
    pod_affinity: PodAffinity | None = Field(default=None, description="Rules for placing the pod near other pods.")
    pod_anti_affinity: PodAffinity | None = Field(
        default=None, description="Rules for placing the pod away from other pods."
    )


class Toleration(APIObject):
    """A toleration for a taint."""

    key: LabelKey | None = Field(default=None, description="Key of the taint. Default: any key.")
    operator: Literal["Exists", "Equal"] | None = Field(
        default=None, description="How the taint is compared with `value`. Default: Equal."
    )
    value: LabelValue | None = Field(default=None, description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Default: any effect."
    )
    toleration_seconds: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = Field(
        default=None, description="Time in seconds for which the pod tolerates a NoExecute taint. Default: no limit."
    )


class SpreadConstraint(APIObject):
    """How the pods are spread across topology domains."""

    topology_key: LabelKey = Field(
        description="Node label that defines a topology domain, such as topology.kubernetes.io/zone."
    )
    max_skew: Positive = Field(description="Maximum difference between the numbers of pods in any two domains.")
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="How the scheduler handles a pod that does not satisfy the constraint."
    )
    label_selector: LabelSelector | None = Field(default=None, description="Selects the pods to count.")
    match_label_keys: LabelKeys | None = Field(
        default=None,
        description="Keys of labels, such as pod-template-hash. The scheduler counts only pods whose values of these "
        "labels match those of the new pod.",
    )
    min_domains: Positive | None = Field(default=None, description="Minimum number of eligible domains.")
    node_affinity_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None, description="Whether the scheduler counts only nodes that match the node affinity of the pod."
    )
    node_taints_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None, description="Whether the scheduler counts only nodes whose taints the pod tolerates."
    )


class ConfigMapKeyRef(APIObject):
    """One key of a ConfigMap in the namespace of the resource."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    key: Key = Field(description="Key in the ConfigMap.")
    optional: bool | None = Field(default=None, description="Whether the ConfigMap or the key may be missing.")


class SecretKeyRef(APIObject):
    """One key of a Secret in the namespace of the resource."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: Key = Field(description="Key in the Secret.")
    optional: bool | None = Field(default=None, description="Whether the Secret or the key may be missing.")


class FieldRef(APIObject):
    """A field of the pod."""

    field_path: Short = Field(description="Path of the field, such as status.podIP.")


class ResourceFieldRef(APIObject):
    """A request or limit of a container."""

    resource: Short = Field(description="Request or limit, such as limits.memory.")
    container_name: Name | None = Field(
        default=None,
        description="Name of the container. Required in volumes. Default for environment variables: the container "
        "that the variable belongs to.",
    )


class EnvVarSource(APIObject):
    """Source of the value of an environment variable. Exactly one field must be set."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(1)}

    config_map_key_ref: ConfigMapKeyRef | None = Field(default=None, description="Value of a key in a ConfigMap.")
    field_ref: FieldRef | None = Field(default=None, description="Value of a field of the pod.")
    resource_field_ref: ResourceFieldRef | None = Field(
        default=None, description="Value of a resource request or limit of a container."
    )
    secret_key_ref: SecretKeyRef | None = Field(default=None, description="Value of a key in a Secret.")


class EnvVar(APIObject):
    """An environment variable of a container."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(2)}

    name: Variable = Field(description="Name of the variable.")
    value: Text | None = Field(default=None, description="Value of the variable.")
    value_from: EnvVarSource | None = Field(
        default=None, description="Source of the value. Mutually exclusive with `value`."
    )


class ConfigMapRef(APIObject):
    """A ConfigMap in the namespace of the resource."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    optional: bool | None = Field(default=None, description="Whether the ConfigMap may be missing.")


class SecretRef(APIObject):
    """A Secret in the namespace of the resource."""

    name: ObjectName = Field(description="Name of the Secret.")
    optional: bool | None = Field(default=None, description="Whether the Secret may be missing.")


class EnvFromSource(APIObject):
    """A ConfigMap or Secret whose keys become environment variables."""

    prefix: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="Prefix for the name of each variable."
    )
    config_map_ref: ConfigMapRef | None = Field(default=None, description="ConfigMap whose keys become variables.")
    secret_ref: SecretRef | None = Field(default=None, description="Secret whose keys become variables.")


class VolumeMount(APIObject):
    """A volume to mount into a container."""

    name: Name = Field(description="Name of the volume.")
    mount_path: Path = Field(description="Path in the container.")
    sub_path: Path | None = Field(default=None, description="Path in the volume. Default: the root of the volume.")
    sub_path_expr: Path | None = Field(
        default=None, description="Path in the volume, which can contain environment variables such as $(NODE)."
    )
    read_only: bool | None = Field(default=None, description="Whether the mount is read-only.")


class ContainerResources(APIObject):
    """Requests and limits of a container."""

    requests: dict[str, NestedQuantity] | None = Field(
        default=None, max_length=8, description="Resource requests of the container."
    )
    limits: dict[str, NestedQuantity] | None = Field(
        default=None, max_length=8, description="Resource limits of the container."
    )


Arguments = Annotated[tuple[Text, ...], Field(max_length=32, json_schema_extra=ATOMIC_LIST)]


class ExecAction(APIObject):
    """A command in the container."""

    command: Arguments = Field(description="Program and its arguments.")


class HTTPHeader(APIObject):
    """An HTTP header of a request."""

    name: Short = Field(description="Name of the header.")
    value: Text = Field(description="Value of the header.")


class HTTPGetAction(APIObject):
    """An HTTP request to the container."""

    path: Path | None = Field(default=None, description="Path of the URL.")
    port: PortReference = Field(description="Number or name of the port.")
    scheme: Literal["HTTP", "HTTPS"] | None = Field(default=None, description="Scheme of the URL. Default: HTTP.")
    http_headers: tuple[HTTPHeader, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=ATOMIC_LIST, description="Headers of the request."
    )


class TCPSocketAction(APIObject):
    """A TCP connection to the container."""

    port: PortReference = Field(description="Number or name of the port.")


class GRPCAction(APIObject):
    """A gRPC health check."""

    port: PortNumber = Field(description="Number of the port.")
    service: Short | None = Field(default=None, description="Name of the service in the HealthCheckRequest.")


class Probe(APIObject):
    """A probe, with at most one of exec, grpc, httpGet and tcpSocket, which replaces the operator's action."""

    exec_: ExecAction | None = Field(default=None, alias="exec", description="Command that must succeed.")
    grpc: GRPCAction | None = Field(default=None, description="gRPC health check that must succeed.")
    http_get: HTTPGetAction | None = Field(default=None, description="HTTP request that must succeed.")
    tcp_socket: TCPSocketAction | None = Field(default=None, description="TCP connection that must succeed.")
    initial_delay_seconds: Seconds | None = Field(
        default=None, description="Time in seconds between the start of the container and the first attempt."
    )
    period_seconds: Annotated[Int32, Field(ge=1, le=86400)] | None = Field(
        default=None, description="Time in seconds between attempts."
    )
    timeout_seconds: Annotated[Int32, Field(ge=1, le=3600)] | None = Field(
        default=None, description="Time in seconds after which an attempt times out."
    )
    success_threshold: Positive | None = Field(
        default=None, description="Number of consecutive successes after which the probe succeeds."
    )
    failure_threshold: Positive | None = Field(
        default=None, description="Number of consecutive failures after which the probe fails."
    )
    termination_grace_period_seconds: Annotated[Int32, Field(ge=1, le=86400)] | None = Field(
        default=None,
        description="Time in seconds for the container to terminate after the probe fails.",
    )


class SleepAction(APIObject):
    """A pause."""

    seconds: Seconds = Field(description="Length of the pause in seconds.")


class LifecycleHandler(APIObject):
    """One of exec, httpGet and sleep."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(1)}

    exec_: ExecAction | None = Field(default=None, alias="exec", description="Command to run in the container.")
    http_get: HTTPGetAction | None = Field(default=None, description="HTTP request to send to the container.")
    sleep: SleepAction | None = Field(default=None, description="Time to pause.")


class Lifecycle(APIObject):
    """Actions when a container starts and stops."""

    post_start: LifecycleHandler | None = Field(
        default=None, description="Action to run immediately after the container is created."
    )
    pre_stop: LifecycleHandler | None = Field(
        default=None,
        description="Action to run before the container is terminated. For `tgi`, it replaces the default hook, which "
        "waits for requests in progress.",
    )


class ContainerPort(APIObject):
    """A port of a container."""

    container_port: PortNumber = Field(description="Number of the port.")
    name: Annotated[str, Field(max_length=15)] | None = Field(default=None, description="Name of the port.")
    protocol: Literal["TCP", "UDP", "SCTP"] | None = Field(
        default=None, description="Protocol of the port. Default: TCP."
    )


Capabilities_ = Annotated[
    tuple[Annotated[str, Field(max_length=63, pattern=r"^[A-Z_]+$")], ...],
    Field(max_length=48, json_schema_extra=ATOMIC_LIST),
]


class Capabilities(APIObject):
    """Linux capabilities."""

    add: Capabilities_ | None = Field(default=None, description="Capabilities to add.")
    drop: Capabilities_ | None = Field(default=None, description="Capabilities to drop. Default: ALL.")


class Profile(APIObject):
    """A security profile."""

    type: Literal["RuntimeDefault", "Unconfined", "Localhost"] = Field(description="Type of the profile.")
    localhost_profile: Short | None = Field(
        default=None, description="Profile on the node to use if `type` is `Localhost`."
    )


class SELinuxOptions(APIObject):
    """An SELinux context."""

    level: Short | None = Field(default=None, description="SELinux level.")
    role: Short | None = Field(default=None, description="SELinux role.")
    type: Short | None = Field(default=None, description="SELinux type.")
    user: Short | None = Field(default=None, description="SELinux user.")


class ProcessIdentity(APIObject):
    """Identity and isolation of processes."""

    run_as_user: UserID | None = Field(default=None, description="User ID of the processes.")
    run_as_group: UserID | None = Field(default=None, description="Primary group ID of the processes.")
    run_as_non_root: bool | None = Field(
        default=None, description="Whether the kubelet refuses to run a container as root."
    )
    seccomp_profile: Profile | None = Field(default=None, description="Seccomp profile.")
    app_armor_profile: Profile | None = Field(default=None, description="AppArmor profile.")
    se_linux_options: SELinuxOptions | None = Field(default=None, description="SELinux context.")


class SecurityContext(ProcessIdentity):
    """Security context of a container."""

    allow_privilege_escalation: bool | None = Field(
        default=None, description="Whether a process can gain more privileges than its parent process."
    )
    capabilities: Capabilities | None = Field(default=None, description="Linux capabilities to add or drop.")
    privileged: bool | None = Field(default=None, description="Whether to run the container in privileged mode.")
    read_only_root_filesystem: bool | None = Field(
        default=None, description="Whether the root file system of the container is read-only."
    )


class PodSecurityContext(ProcessIdentity):
    """Security context of the pod."""

    fs_group: UserID | None = Field(default=None, description="Group ID that owns the volumes of the pod.")
    fs_group_change_policy: Literal["Always", "OnRootMismatch"] | None = Field(
        default=None, description="When the kubelet changes the ownership of a volume."
    )
    supplemental_groups: tuple[UserID, ...] | None = Field(
        default=None,
        max_length=16,
        json_schema_extra=ATOMIC_LIST,
        description="Additional group IDs of the processes.",
    )


class Container(APIObject):
    """A container. An item named `tgi` changes the TGI container, and any other item adds a container."""

    name: Name = Field(description="Name of the container. `tgi` is the TGI container.")
    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[!-~]+$")] | None = Field(
        default=None, description="Container image. For `tgi`, set `runtime.image` instead."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="When the kubelet pulls the image."
    )
    command: Arguments | None = Field(default=None, description="Command that replaces the image's entrypoint.")
    args: Arguments | None = Field(default=None, description="Arguments that replace those of the image.")
    working_dir: Path | None = Field(
        default=None, description="Working directory of the container. Default: the one that the image sets."
    )
    env: tuple[EnvVar, ...] | None = Field(
        default=None,
        max_length=40,
        json_schema_extra=list_map("name"),
        description="Environment variables, merged by name.",
    )
    env_from: tuple[EnvFromSource, ...] | None = Field(
        default=None,
        max_length=8,
        json_schema_extra=ATOMIC_LIST,
        description="ConfigMaps and Secrets whose keys become environment variables.",
    )
    ports: tuple[ContainerPort, ...] | None = Field(
        default=None, max_length=8, json_schema_extra=list_map("containerPort"), description="Ports, merged by number."
    )
    resources: ContainerResources | None = Field(
        default=None,
        description="Resource requests and limits, merged by resource. For `tgi`, they take precedence over `gpu` and "
        "`resources`.",
    )
    volume_mounts: tuple[VolumeMount, ...] | None = Field(
        default=None,
        max_length=16,
        json_schema_extra=list_map("mountPath"),
        description="Volumes to mount into the container, merged by path.",
    )
    liveness_probe: Probe | None = Field(
        default=None, description="Probe whose failure causes the kubelet to restart the container."
    )
    readiness_probe: Probe | None = Field(
        default=None, description="Probe that determines whether the pod receives requests."
    )
    startup_probe: Probe | None = Field(
        default=None, description="Probe that must succeed before the other probes start."
    )
    lifecycle: Lifecycle | None = Field(
        default=None, description="Actions to run when the container starts and before it is terminated."
    )
    security_context: SecurityContext | None = Field(default=None, description="Security context of the container.")
    termination_message_policy: Literal["File", "FallbackToLogsOnError"] | None = Field(
        default=None, description="Source of the termination message of the container."
    )


class InitContainer(Container):
    """A container that completes before other containers start or, if it is a sidecar, runs alongside them."""

    restart_policy: Literal["Always"] | None = Field(
        default=None,
        description="`Always` makes the container a sidecar, which starts before the TGI container and stops after it.",
    )


class KeyToPath(APIObject):
    """A key that is projected as a file."""

    key: Key = Field(description="Key to project.")
    path: Path = Field(description="Path of the file in the volume.")
    mode: Mode | None = Field(default=None, description="Permission bits of the file.")


KeysToPaths = Annotated[tuple[KeyToPath, ...], Field(max_length=8, json_schema_extra=ATOMIC_LIST)]


class ConfigMapVolume(APIObject):
    """Files from a ConfigMap."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    items: KeysToPaths | None = Field(default=None, description="Keys to project as files. Default: all keys.")
    default_mode: Mode | None = Field(default=None, description="Default permission bits of the files.")
    optional: bool | None = Field(default=None, description="Whether the ConfigMap or its keys may be missing.")


class SecretVolume(APIObject):
    """Files from a Secret."""

    secret_name: ObjectName = Field(description="Name of the Secret.")
    items: KeysToPaths | None = Field(default=None, description="Keys to project as files. Default: all keys.")
    default_mode: Mode | None = Field(default=None, description="Default permission bits of the files.")
    optional: bool | None = Field(default=None, description="Whether the Secret or its keys may be missing.")


class DownwardFile(APIObject):
    """A file that contains a field of the pod."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(3)}

    path: Path = Field(description="Path of the file in the volume.")
    field_ref: FieldRef | None = Field(default=None, description="Pod field to write to the file.")
    resource_field_ref: ResourceFieldRef | None = Field(
        default=None, description="Container resource request or limit to write to the file."
    )
    mode: Mode | None = Field(default=None, description="Permission bits of the file.")


DownwardFiles = Annotated[tuple[DownwardFile, ...], Field(max_length=4, json_schema_extra=ATOMIC_LIST)]


class DownwardVolume(APIObject):
    """Files that contain fields of the pod."""

    items: DownwardFiles = Field(description="Files in the volume.")
    default_mode: Mode | None = Field(default=None, description="Default permission bits of the files.")


class ConfigMapProjection(APIObject):
    """Files from a ConfigMap."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    items: KeysToPaths | None = Field(default=None, description="Keys to project as files. Default: all keys.")
    optional: bool | None = Field(default=None, description="Whether the ConfigMap or its keys may be missing.")


class SecretProjection(APIObject):
    """Files from a Secret."""

    name: ObjectName = Field(description="Name of the Secret.")
    items: KeysToPaths | None = Field(default=None, description="Keys to project as files. Default: all keys.")
    optional: bool | None = Field(default=None, description="Whether the Secret or its keys may be missing.")


class DownwardProjection(APIObject):
    """Files that contain fields of the pod."""

    items: DownwardFiles = Field(description="Files in the volume.")


class ServiceAccountToken(APIObject):
    """A token of the pod's service account."""

    path: Path = Field(description="Path of the file in the volume.")
    audience: Short | None = Field(default=None, description="Audience of the token. Default: the API server.")
    expiration_seconds: Annotated[Int32, Field(ge=600, le=86400)] | None = Field(
        default=None, description="Lifetime of the token in seconds. Default: 3600."
    )


class Projection(APIObject):
    """A source of a projected volume."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(1)}

    config_map: ConfigMapProjection | None = Field(default=None, description="Files from a ConfigMap.")
    downward_api: DownwardProjection | None = Field(
        default=None, alias="downwardAPI", description="Files that contain fields of the pod."
    )
    secret: SecretProjection | None = Field(default=None, description="Files from a Secret.")
    service_account_token: ServiceAccountToken | None = Field(
        default=None, description="File that contains a token of the pod's service account."
    )


class ProjectedVolume(APIObject):
    """Files from multiple sources."""

    sources: tuple[Projection, ...] = Field(
        max_length=4, json_schema_extra=ATOMIC_LIST, description="Sources of the files."
    )
    default_mode: Mode | None = Field(default=None, description="Default permission bits of the files.")


class EmptyDirVolume(APIObject):
    """An empty directory that exists for the lifetime of the pod."""

    medium: Literal["", "Memory", "HugePages", "HugePages-2Mi", "HugePages-1Gi"] | None = Field(
        default=None, description="Storage medium. Default: the node's default medium, such as its disk."
    )
    size_limit: NestedQuantity | None = Field(default=None, description="Maximum size of the volume.")


class ClaimVolume(APIObject):
    """A PersistentVolumeClaim (PVC)."""

    claim_name: ObjectName = Field(description="Name of the PVC.")
    read_only: bool | None = Field(default=None, description="Whether the volume is read-only.")


class HostPathVolume(APIObject):
    """A path on the node."""

    path: Path = Field(description="Path on the node.")
    type: (
        Literal["", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"]
        | None
    ) = Field(default=None, description="Type of file that must exist at the path or is created there.")


class LocalReference(APIObject):
    """A Secret in the namespace of the resource."""

    name: ObjectName = Field(description="Name of the Secret.")


class CSIVolume(APIObject):
    """An ephemeral inline volume of a CSI driver."""

    driver: ObjectName = Field(description="Name of the CSI driver.")
    fs_type: Short | None = Field(default=None, description="File system type, such as ext4.")
    node_publish_secret_ref: LocalReference | None = Field(
        default=None, description="Secret that is passed to the CSI driver."
    )
    read_only: bool | None = Field(default=None, description="Whether the volume is read-only.")
    volume_attributes: dict[str, Annotated[str, Field(max_length=4096)]] | None = Field(
        default=None, max_length=16, description="Parameters for the CSI driver."
    )


class NFSVolume(APIObject):
    """An NFS export."""

    path: Path = Field(description="Path that the NFS server exports.")
    server: Short = Field(description="Hostname or IP address of the NFS server.")
    read_only: bool | None = Field(default=None, description="Whether the volume is read-only.")


Labels = Annotated[dict[str, LabelValue], Field(max_length=32)]
Annotations = Annotated[dict[str, Text], Field(max_length=32)]


class Metadata(APIObject):
    """Labels and annotations."""

    labels: Labels | None = Field(default=None, description="Labels to add.")
    annotations: Annotations | None = Field(default=None, description="Annotations to add.")


class ClaimResources(APIObject):
    """The size of a PVC."""

    requests: dict[str, NestedQuantity] = Field(max_length=2, description="Size of the PVC, such as `storage: 100Gi`.")


class ClaimSpec(APIObject):
    """A PVC."""

    access_modes: tuple[Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"], ...] = Field(
        max_length=4, json_schema_extra=ATOMIC_LIST, description="Access modes of the PVC."
    )
    resources: ClaimResources = Field(description="Requested size of the PVC.")
    storage_class_name: ObjectName | None = Field(
        default=None, description="Storage class of the PVC. Default: the cluster's default storage class."
    )


class ClaimTemplate(APIObject):
    """The PVC of an ephemeral volume."""

    metadata: Metadata | None = Field(default=None, description="Labels and annotations of the PVC.")
    spec: ClaimSpec = Field(description="Spec of the PVC.")


class EphemeralVolume(APIObject):
    """A PVC that is created and deleted with the pod."""

    volume_claim_template: ClaimTemplate = Field(description="Template from which the PVC is created.")


class Volume(APIObject):
    """A volume with exactly one source, which replaces the source of any existing volume with the same name."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(2)}

    name: Name = Field(description="Name of the volume.")
    config_map: ConfigMapVolume | None = Field(default=None, description="Files from a ConfigMap.")
    csi: CSIVolume | None = Field(default=None, description="Ephemeral inline volume of a CSI driver.")
    downward_api: DownwardVolume | None = Field(
        default=None, alias="downwardAPI", description="Files that contain fields of the pod."
    )
    empty_dir: EmptyDirVolume | None = Field(
        default=None, description="Empty directory that exists for the lifetime of the pod."
    )
    ephemeral: EphemeralVolume | None = Field(default=None, description="PVC that is created and deleted with the pod.")
    host_path: HostPathVolume | None = Field(default=None, description="Path on the node.")
    nfs: NFSVolume | None = Field(default=None, description="NFS export.")
    persistent_volume_claim: ClaimVolume | None = Field(
        default=None, description="Existing PVC in the namespace of the resource."
    )
    projected: ProjectedVolume | None = Field(default=None, description="Files from multiple sources.")
    secret: SecretVolume | None = Field(default=None, description="Files from a Secret.")


class DNSOption(APIObject):
    """An option of the DNS resolver."""

    name: Short = Field(description="Name of the option, such as ndots.")
    value: Short | None = Field(default=None, description="Value of the option.")


class DNSConfig(APIObject):
    """DNS settings of the pod."""

    nameservers: tuple[Short, ...] | None = Field(
        default=None, max_length=3, json_schema_extra=ATOMIC_LIST, description="IP addresses of DNS servers."
    )
    options: tuple[DNSOption, ...] | None = Field(
        default=None, max_length=8, json_schema_extra=ATOMIC_LIST, description="Options of the DNS resolver."
    )
    searches: tuple[Short, ...] | None = Field(
        default=None, max_length=16, json_schema_extra=ATOMIC_LIST, description="DNS search domains."
    )


class HostAlias(APIObject):
    """An entry in the pod's hosts file."""

    ip: Annotated[str, Field(min_length=1, max_length=45)] = Field(description="IP address.")
    hostnames: tuple[Short, ...] = Field(
        min_length=1, max_length=8, json_schema_extra=ATOMIC_LIST, description="Hostnames for the IP address."
    )


class PodSpec(APIObject):
    """Fields of a PodSpec. Lists with named items are merged by name, and other lists replace those of the operator."""

    affinity: Affinity | None = Field(
        default=None, description="Scheduling rules that depend on the node or on other pods."
    )
    automount_service_account_token: bool | None = Field(
        default=None, description="Whether to mount a service account token into the pod. Default: false."
    )
    containers: tuple[Container, ...] | None = Field(
        default=None,
        max_length=4,
        json_schema_extra=list_map("name"),
        description="Containers, merged by name: changes to `tgi`, and additional containers.",
    )
    dns_config: DNSConfig | None = Field(default=None, description="DNS settings of the pod.")
    dns_policy: Literal["ClusterFirst", "Default", "None"] | None = Field(
        default=None, description="DNS policy of the pod. Default: ClusterFirst."
    )
    host_aliases: tuple[HostAlias, ...] | None = Field(
        default=None,
        max_length=16,
        json_schema_extra=list_map("ip"),
        description="Entries in the pod's hosts file, merged by IP address.",
    )
    image_pull_secrets: tuple[LocalReference, ...] | None = Field(
        default=None,
        max_length=8,
        json_schema_extra=list_map("name"),
        description="Secrets with credentials for container registries, merged by name.",
    )
    init_containers: tuple[InitContainer, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=list_map("name"), description="Init containers, merged by name."
    )
    priority_class_name: ObjectName | None = Field(default=None, description="Priority class of the pods.")
    runtime_class_name: ObjectName | None = Field(default=None, description="Runtime class of the pods.")
    scheduler_name: ObjectName | None = Field(
        default=None, description="Scheduler of the pods. Default: default-scheduler."
    )
    security_context: PodSecurityContext | None = Field(default=None, description="Security context of the pod.")
    service_account_name: ObjectName | None = Field(
        default=None,
        description="Service account of the pods. The Job that downloads the weights does not use it.",
    )
    tolerations: tuple[Toleration, ...] | None = Field(
        default=None,
        max_length=32,
        json_schema_extra=ATOMIC_LIST,
        description="Tolerations of the pods. They replace the tolerations that the operator sets.",
    )
    topology_spread_constraints: tuple[SpreadConstraint, ...] | None = Field(
        default=None,
        max_length=4,
        json_schema_extra=list_map("topologyKey"),
        description="How the pods are spread across topology domains, merged by topology key.",
    )
    volumes: tuple[Volume, ...] | None = Field(
        default=None, max_length=16, json_schema_extra=list_map("name"), description="Volumes, merged by name."
    )


class PodTemplate(APIObject):
    """Changes to the TGI pods."""

    metadata: Metadata | None = Field(default=None, description="Labels and annotations of the pods.")
    spec: PodSpec | None = Field(default=None, description="Fields of the PodSpec to add or change.")
