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
    """A condition on a label of nodes."""

    key: LabelKey = Field(description="Label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"] = Field(description="Comparison.")
    values: tuple[LabelValue, ...] | None = Field(
        default=None, max_length=16, json_schema_extra=ATOMIC_LIST, description="Values to compare with."
    )


class NodeSelectorTerm(APIObject):
    """Conditions that a node must all meet."""

    match_expressions: tuple[NodeSelectorRequirement, ...] = Field(
        min_length=1, max_length=8, json_schema_extra=ATOMIC_LIST, description="Conditions on labels."
    )


class NodeSelector(APIObject):
    """Terms, of which a node must meet at least one."""

    node_selector_terms: tuple[NodeSelectorTerm, ...] = Field(
        min_length=1, max_length=4, json_schema_extra=ATOMIC_LIST, description="The terms."
    )


Weight = Annotated[Int32, Field(ge=1, le=100)]


class PreferredSchedulingTerm(APIObject):
    """A preferred term."""

    weight: Weight = Field(description="Weight of the preference.")
    preference: NodeSelectorTerm = Field(description="The term.")


class NodeAffinity(APIObject):
    """Nodes that the pod can run on."""

    required_during_scheduling_ignored_during_execution: NodeSelector | None = Field(
        default=None, description="Required nodes. Replaces the requirement of `gpu.products`."
    )
    preferred_during_scheduling_ignored_during_execution: tuple[PreferredSchedulingTerm, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=ATOMIC_LIST, description="Preferred nodes."
    )


class LabelSelectorRequirement(APIObject):
    """A condition on a label."""

    key: LabelKey = Field(description="Label.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(description="Comparison.")
    values: tuple[LabelValue, ...] | None = Field(
        default=None, max_length=16, json_schema_extra=ATOMIC_LIST, description="Values to compare with."
    )


class LabelSelector(APIObject):
    """Selects objects by their labels. An empty selector selects all objects."""

    match_labels: dict[str, LabelValue] | None = Field(
        default=None, max_length=8, description="Labels with exactly these values."
    )
    match_expressions: tuple[LabelSelectorRequirement, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=ATOMIC_LIST, description="Conditions on labels."
    )


LabelKeys = Annotated[tuple[LabelKey, ...], Field(max_length=4, json_schema_extra=ATOMIC_LIST)]


class PodAffinityTerm(APIObject):
    """Pods, and the domain in which they are counted."""

    topology_key: LabelKey = Field(description="Node label that defines a domain, such as kubernetes.io/hostname.")
    label_selector: LabelSelector | None = Field(default=None, description="Pods that count. Default: none.")
    match_label_keys: LabelKeys | None = Field(
        default=None, description="Labels for which the counted pods have the same values as this pod."
    )
    mismatch_label_keys: LabelKeys | None = Field(
        default=None, description="Labels for which the counted pods have different values than this pod."
    )
    namespaces: tuple[Name, ...] | None = Field(
        default=None,
        max_length=8,
        json_schema_extra=ATOMIC_LIST,
        description="Namespaces of the pods. Default: the namespace of this pod.",
    )
    namespace_selector: LabelSelector | None = Field(
        default=None, description="Additional namespaces, selected by labels."
    )


class WeightedPodAffinityTerm(APIObject):
    """A preferred term."""

    weight: Weight = Field(description="Weight of the preference.")
    pod_affinity_term: PodAffinityTerm = Field(description="The term.")


class PodAffinity(APIObject):
    """Placement relative to other pods."""

    required_during_scheduling_ignored_during_execution: tuple[PodAffinityTerm, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=ATOMIC_LIST, description="Required terms."
    )
    preferred_during_scheduling_ignored_during_execution: tuple[WeightedPodAffinityTerm, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=ATOMIC_LIST, description="Preferred terms."
    )


class Affinity(APIObject):
    """Scheduling rules that depend on the node or on other pods."""

    node_affinity: NodeAffinity | None = Field(default=None, description="Placement by node labels.")
    pod_affinity: PodAffinity | None = Field(default=None, description="Placement near other pods.")
    pod_anti_affinity: PodAffinity | None = Field(default=None, description="Placement away from other pods.")


class Toleration(APIObject):
    """A toleration of a PodSpec."""

    key: LabelKey | None = Field(default=None, description="Key of the taint. Default: any key.")
    operator: Literal["Exists", "Equal"] | None = Field(default=None, description="Comparison. Default: Equal.")
    value: LabelValue | None = Field(default=None, description="Value of the taint.")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        default=None, description="Effect of the taint. Default: any effect."
    )
    toleration_seconds: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] | None = Field(
        default=None, description="Seconds for which a NoExecute taint is tolerated."
    )


class SpreadConstraint(APIObject):
    """A topology spread constraint of a PodSpec."""

    topology_key: LabelKey = Field(description="Node label that defines a domain, such as topology.kubernetes.io/zone.")
    max_skew: Positive = Field(description="Maximum difference between the pod counts of two domains.")
    when_unsatisfiable: Literal["DoNotSchedule", "ScheduleAnyway"] = Field(
        description="Behavior of the scheduler if it cannot meet the constraint."
    )
    label_selector: LabelSelector | None = Field(default=None, description="Pods that are counted.")
    match_label_keys: LabelKeys | None = Field(
        default=None,
        description="Labels for which the counted pods have the same values as this pod, such as pod-template-hash.",
    )
    min_domains: Positive | None = Field(default=None, description="Minimum number of domains.")
    node_affinity_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None, description="Whether the node affinity limits the domains."
    )
    node_taints_policy: Literal["Honor", "Ignore"] | None = Field(
        default=None, description="Whether taints limit the domains."
    )


class ConfigMapKeyRef(APIObject):
    """One key of a ConfigMap in the namespace of the resource."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    key: Key = Field(description="Key.")
    optional: bool | None = Field(default=None, description="Whether it may be missing.")


class SecretKeyRef(APIObject):
    """One key of a Secret in the namespace of the resource."""

    name: ObjectName = Field(description="Name of the Secret.")
    key: Key = Field(description="Key.")
    optional: bool | None = Field(default=None, description="Whether it may be missing.")


class FieldRef(APIObject):
    """A field of the pod."""

    field_path: Short = Field(description="Path, such as status.podIP.")


class ResourceFieldRef(APIObject):
    """A request or limit of a container."""

    resource: Short = Field(description="Resource, such as limits.memory.")
    container_name: Name | None = Field(
        default=None, description="Container. Default: this container. Required in volumes."
    )


class EnvVarSource(APIObject):
    """Source of the value of an environment variable. Exactly one field must be set."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(1)}

    config_map_key_ref: ConfigMapKeyRef | None = Field(default=None, description="Key of a ConfigMap.")
    field_ref: FieldRef | None = Field(default=None, description="Field of the pod.")
    resource_field_ref: ResourceFieldRef | None = Field(default=None, description="Request or limit of a container.")
    secret_key_ref: SecretKeyRef | None = Field(default=None, description="Key of a Secret.")


class EnvVar(APIObject):
    """An environment variable of a container."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(2)}

    name: Variable = Field(description="Name.")
    value: Text | None = Field(default=None, description="Value.")
    value_from: EnvVarSource | None = Field(default=None, description="Source of the value, instead of `value`.")


class ObjectRef(APIObject):
    """A whole ConfigMap or Secret in the namespace of the resource."""

    name: ObjectName = Field(description="Name.")
    optional: bool | None = Field(default=None, description="Whether it may be missing.")


class EnvFromSource(APIObject):
    """All keys of a ConfigMap or Secret as environment variables."""

    prefix: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="Prefix of the name of each variable."
    )
    config_map_ref: ObjectRef | None = Field(default=None, description="The ConfigMap.")
    secret_ref: ObjectRef | None = Field(default=None, description="The Secret.")


class VolumeMount(APIObject):
    """A volume that is mounted into a container."""

    name: Name = Field(description="Name of the volume.")
    mount_path: Path = Field(description="Path in the container.")
    sub_path: Path | None = Field(default=None, description="Path in the volume. Default: its root.")
    sub_path_expr: Path | None = Field(
        default=None, description="Path in the volume, with environment variables such as $(NODE)."
    )
    read_only: bool | None = Field(default=None, description="Whether the mount is read-only.")


class ContainerResources(APIObject):
    """Requests and limits of a container."""

    requests: dict[str, NestedQuantity] | None = Field(
        default=None, max_length=8, description="Resources that the container needs."
    )
    limits: dict[str, NestedQuantity] | None = Field(
        default=None, max_length=8, description="Maximum resources of the container."
    )


Arguments = Annotated[tuple[Text, ...], Field(max_length=32, json_schema_extra=ATOMIC_LIST)]


class ExecAction(APIObject):
    """A command in the container."""

    command: Arguments = Field(description="Program and arguments.")


class HTTPHeader(APIObject):
    """An HTTP header of a request."""

    name: Short = Field(description="Name.")
    value: Text = Field(description="Value.")


class HTTPGetAction(APIObject):
    """An HTTP request to the container."""

    path: Path | None = Field(default=None, description="Path of the URL.")
    port: PortReference = Field(description="Port, by number or by name.")
    scheme: Literal["HTTP", "HTTPS"] | None = Field(default=None, description="Scheme. Default: HTTP.")
    http_headers: tuple[HTTPHeader, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=ATOMIC_LIST, description="Headers of the request."
    )


class TCPSocketAction(APIObject):
    """A TCP connection to the container."""

    port: PortReference = Field(description="Port, by number or by name.")


class GRPCAction(APIObject):
    """A gRPC health check."""

    port: PortNumber = Field(description="Port.")
    service: Short | None = Field(default=None, description="Service in the HealthCheckRequest.")


class Probe(APIObject):
    """A probe, with at most one of exec, grpc, httpGet and tcpSocket, which replaces the operator's action."""

    exec_: ExecAction | None = Field(default=None, alias="exec", description="Command that must succeed.")
    grpc: GRPCAction | None = Field(default=None, description="gRPC health check.")
    http_get: HTTPGetAction | None = Field(default=None, description="HTTP request.")
    tcp_socket: TCPSocketAction | None = Field(default=None, description="TCP connection.")
    initial_delay_seconds: Seconds | None = Field(default=None, description="Seconds before the first attempt.")
    period_seconds: Annotated[Int32, Field(ge=1, le=86400)] | None = Field(
        default=None, description="Seconds between attempts."
    )
    timeout_seconds: Annotated[Int32, Field(ge=1, le=3600)] | None = Field(
        default=None, description="Seconds after which an attempt times out."
    )
    success_threshold: Positive | None = Field(
        default=None, description="Consecutive successes after which the probe succeeds."
    )
    failure_threshold: Positive | None = Field(
        default=None, description="Consecutive failures after which the probe fails."
    )
    termination_grace_period_seconds: Annotated[Int32, Field(ge=1, le=86400)] | None = Field(
        default=None, description="Grace period in seconds after the probe fails."
    )


class SleepAction(APIObject):
    """A pause."""

    seconds: Seconds = Field(description="Length of the pause in seconds.")


class LifecycleHandler(APIObject):
    """One of exec, httpGet and sleep."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(1)}

    exec_: ExecAction | None = Field(default=None, alias="exec", description="Command.")
    http_get: HTTPGetAction | None = Field(default=None, description="HTTP request.")
    sleep: SleepAction | None = Field(default=None, description="Pause.")


class Lifecycle(APIObject):
    """Actions when a container starts and stops."""

    post_start: LifecycleHandler | None = Field(default=None, description="Action after the container starts.")
    pre_stop: LifecycleHandler | None = Field(
        default=None,
        description="Action before the container stops. For `tgi`, it replaces the wait for requests in progress.",
    )


class ContainerPort(APIObject):
    """A port of a container."""

    container_port: PortNumber = Field(description="Port number.")
    name: Annotated[str, Field(max_length=15)] | None = Field(default=None, description="Name.")
    protocol: Literal["TCP", "UDP", "SCTP"] | None = Field(default=None, description="Protocol. Default: TCP.")


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

    type: Literal["RuntimeDefault", "Unconfined", "Localhost"] = Field(description="Kind of profile.")
    localhost_profile: Short | None = Field(default=None, description="Profile on the node, with type Localhost.")


class SELinuxOptions(APIObject):
    """An SELinux context."""

    level: Short | None = Field(default=None, description="Level.")
    role: Short | None = Field(default=None, description="Role.")
    type: Short | None = Field(default=None, description="Type.")
    user: Short | None = Field(default=None, description="User.")


class ProcessIdentity(APIObject):
    """Identity and isolation of processes."""

    run_as_user: UserID | None = Field(default=None, description="User ID.")
    run_as_group: UserID | None = Field(default=None, description="Group ID.")
    run_as_non_root: bool | None = Field(
        default=None, description="Whether the kubelet refuses to run a container as root."
    )
    seccomp_profile: Profile | None = Field(default=None, description="Seccomp profile.")
    app_armor_profile: Profile | None = Field(default=None, description="AppArmor profile.")
    se_linux_options: SELinuxOptions | None = Field(default=None, description="SELinux context.")


class SecurityContext(ProcessIdentity):
    """Security context of a container."""

    allow_privilege_escalation: bool | None = Field(
        default=None, description="Whether a process may gain more privileges than its parent."
    )
    capabilities: Capabilities | None = Field(default=None, description="Linux capabilities.")
    privileged: bool | None = Field(default=None, description="Whether the container runs in privileged mode.")
    read_only_root_filesystem: bool | None = Field(
        default=None, description="Whether the root file system of the container is read-only."
    )


class PodSecurityContext(ProcessIdentity):
    """Security context of the pod."""

    fs_group: UserID | None = Field(default=None, description="Group ID of volumes.")
    fs_group_change_policy: Literal["Always", "OnRootMismatch"] | None = Field(
        default=None, description="When the kubelet changes the group of a volume."
    )
    supplemental_groups: tuple[UserID, ...] | None = Field(
        default=None, max_length=16, json_schema_extra=ATOMIC_LIST, description="Additional group IDs."
    )


class Container(APIObject):
    """A container. An item named `tgi` changes TGI's container, and any other item adds a container."""

    name: Name = Field(description="Name. `tgi` is TGI's container.")
    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[!-~]+$")] | None = Field(
        default=None, description="Container image. For `tgi`, set `runtime.image` instead."
    )
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = Field(
        default=None, description="When the image is pulled."
    )
    command: Arguments | None = Field(default=None, description="Replaces the image's entry point.")
    args: Arguments | None = Field(default=None, description="Replaces the image's arguments.")
    working_dir: Path | None = Field(default=None, description="Working directory.")
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
        description="Sources of additional environment variables.",
    )
    ports: tuple[ContainerPort, ...] | None = Field(
        default=None, max_length=8, json_schema_extra=list_map("containerPort"), description="Ports, merged by number."
    )
    resources: ContainerResources | None = Field(
        default=None, description="Requests and limits. For `tgi`, `gpu` and `resources` also set them."
    )
    volume_mounts: tuple[VolumeMount, ...] | None = Field(
        default=None,
        max_length=16,
        json_schema_extra=list_map("mountPath"),
        description="Volume mounts, merged by path.",
    )
    liveness_probe: Probe | None = Field(default=None, description="Probe that restarts the container if it fails.")
    readiness_probe: Probe | None = Field(
        default=None, description="Probe that determines whether the container receives requests."
    )
    startup_probe: Probe | None = Field(
        default=None, description="Probe that must succeed before the other probes start."
    )
    lifecycle: Lifecycle | None = Field(default=None, description="Actions when the container starts and stops.")
    security_context: SecurityContext | None = Field(default=None, description="Security context of the container.")
    termination_message_policy: Literal["File", "FallbackToLogsOnError"] | None = Field(
        default=None, description="Source of the termination message of the container."
    )


class InitContainer(Container):
    """A container that completes before the others start or, with `restartPolicy: Always`, runs alongside them."""

    restart_policy: Literal["Always"] | None = Field(
        default=None, description="`Always`: the container is a sidecar, which starts before TGI and stops after it."
    )


class KeyToPath(APIObject):
    """A key as a file."""

    key: Key = Field(description="Key.")
    path: Path = Field(description="Path in the volume.")
    mode: Mode | None = Field(default=None, description="Permissions of the file.")


KeysToPaths = Annotated[tuple[KeyToPath, ...], Field(max_length=8, json_schema_extra=ATOMIC_LIST)]


class ConfigMapVolume(APIObject):
    """Files from a ConfigMap."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    items: KeysToPaths | None = Field(default=None, description="Keys to project. Default: all.")
    default_mode: Mode | None = Field(default=None, description="Permissions of the files.")
    optional: bool | None = Field(default=None, description="Whether it may be missing.")


class SecretVolume(APIObject):
    """Files from a Secret."""

    secret_name: ObjectName = Field(description="Name of the Secret.")
    items: KeysToPaths | None = Field(default=None, description="Keys to project. Default: all.")
    default_mode: Mode | None = Field(default=None, description="Permissions of the files.")
    optional: bool | None = Field(default=None, description="Whether it may be missing.")


class DownwardFile(APIObject):
    """A field of the pod as a file."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(3)}

    path: Path = Field(description="Path in the volume.")
    field_ref: FieldRef | None = Field(default=None, description="Field of the pod.")
    resource_field_ref: ResourceFieldRef | None = Field(default=None, description="Request or limit of a container.")
    mode: Mode | None = Field(default=None, description="Permissions of the file.")


DownwardFiles = Annotated[tuple[DownwardFile, ...], Field(max_length=4, json_schema_extra=ATOMIC_LIST)]


class DownwardVolume(APIObject):
    """Files with fields of the pod."""

    items: DownwardFiles = Field(description="The files.")
    default_mode: Mode | None = Field(default=None, description="Permissions of the files.")


class ConfigMapProjection(APIObject):
    """Files from a ConfigMap."""

    name: ObjectName = Field(description="Name of the ConfigMap.")
    items: KeysToPaths | None = Field(default=None, description="Keys to project. Default: all.")
    optional: bool | None = Field(default=None, description="Whether it may be missing.")


class SecretProjection(APIObject):
    """Files from a Secret."""

    name: ObjectName = Field(description="Name of the Secret.")
    items: KeysToPaths | None = Field(default=None, description="Keys to project. Default: all.")
    optional: bool | None = Field(default=None, description="Whether it may be missing.")


class DownwardProjection(APIObject):
    """Files with fields of the pod."""

    items: DownwardFiles = Field(description="The files.")


class ServiceAccountToken(APIObject):
    """A token of the pod's service account."""

    path: Path = Field(description="Path in the volume.")
    audience: Short | None = Field(default=None, description="Audience of the token. Default: the API server.")
    expiration_seconds: Annotated[Int32, Field(ge=600, le=86400)] | None = Field(
        default=None, description="Lifetime of the token in seconds. Default: 3600."
    )


class Projection(APIObject):
    """A source of a projected volume."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(1)}

    config_map: ConfigMapProjection | None = Field(default=None, description="A ConfigMap.")
    downward_api: DownwardProjection | None = Field(default=None, alias="downwardAPI", description="Fields of the pod.")
    secret: SecretProjection | None = Field(default=None, description="A Secret.")
    service_account_token: ServiceAccountToken | None = Field(default=None, description="A service account token.")


class ProjectedVolume(APIObject):
    """Files from several sources."""

    sources: tuple[Projection, ...] = Field(max_length=4, json_schema_extra=ATOMIC_LIST, description="The sources.")
    default_mode: Mode | None = Field(default=None, description="Permissions of the files.")


class EmptyDirVolume(APIObject):
    """A directory that lives as long as the pod."""

    medium: Literal["", "Memory", "HugePages", "HugePages-2Mi", "HugePages-1Gi"] | None = Field(
        default=None, description="Storage medium. Default: the disk of the node."
    )
    size_limit: NestedQuantity | None = Field(default=None, description="Maximum size.")


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
    ) = Field(default=None, description="Required type of the path.")


class LocalReference(APIObject):
    """An object in the namespace of the resource."""

    name: ObjectName = Field(description="Name.")


class CSIVolume(APIObject):
    """An inline volume of a CSI driver."""

    driver: ObjectName = Field(description="Name of the driver.")
    fs_type: Short | None = Field(default=None, description="File system.")
    node_publish_secret_ref: LocalReference | None = Field(default=None, description="Secret for the driver.")
    read_only: bool | None = Field(default=None, description="Whether the volume is read-only.")
    volume_attributes: dict[str, Annotated[str, Field(max_length=4096)]] | None = Field(
        default=None, max_length=16, description="Parameters of the driver."
    )


class NFSVolume(APIObject):
    """An NFS export."""

    path: Path = Field(description="Exported path.")
    server: Short = Field(description="Server.")
    read_only: bool | None = Field(default=None, description="Whether the volume is read-only.")


Labels = Annotated[dict[str, LabelValue], Field(max_length=32)]
Annotations = Annotated[dict[str, Text], Field(max_length=32)]


class Metadata(APIObject):
    """Labels and annotations."""

    labels: Labels | None = Field(default=None, description="Labels.")
    annotations: Annotations | None = Field(default=None, description="Annotations.")


class ClaimResources(APIObject):
    """The size of a PVC."""

    requests: dict[str, NestedQuantity] = Field(max_length=2, description="Size, as `storage`.")


class ClaimSpec(APIObject):
    """A PVC."""

    access_modes: tuple[Literal["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"], ...] = Field(
        max_length=4, json_schema_extra=ATOMIC_LIST, description="Access modes."
    )
    resources: ClaimResources = Field(description="Size.")
    storage_class_name: ObjectName | None = Field(
        default=None, description="Storage class. Default: the default of the cluster."
    )


class ClaimTemplate(APIObject):
    """The PVC of an ephemeral volume."""

    metadata: Metadata | None = Field(default=None, description="Labels and annotations of the PVC.")
    spec: ClaimSpec = Field(description="The PVC.")


class EphemeralVolume(APIObject):
    """A PVC that is created and deleted with the pod."""

    volume_claim_template: ClaimTemplate = Field(description="The PVC.")


class Volume(APIObject):
    """A volume with exactly one source, which replaces the source of an existing volume with the same name."""

    model_config = APIObject.model_config | {"json_schema_extra": most_fields(2)}

    name: Name = Field(description="Name.")
    config_map: ConfigMapVolume | None = Field(default=None, description="Files from a ConfigMap.")
    csi: CSIVolume | None = Field(default=None, description="An inline volume of a CSI driver.")
    downward_api: DownwardVolume | None = Field(
        default=None, alias="downwardAPI", description="Files with fields of the pod."
    )
    empty_dir: EmptyDirVolume | None = Field(default=None, description="A directory that lives as long as the pod.")
    ephemeral: EphemeralVolume | None = Field(
        default=None, description="A PVC that is created and deleted with the pod."
    )
    host_path: HostPathVolume | None = Field(default=None, description="A path on the node.")
    nfs: NFSVolume | None = Field(default=None, description="An NFS export.")
    persistent_volume_claim: ClaimVolume | None = Field(
        default=None, description="A PVC in the namespace of the resource."
    )
    projected: ProjectedVolume | None = Field(default=None, description="Files from several sources.")
    secret: SecretVolume | None = Field(default=None, description="Files from a Secret.")


class DNSOption(APIObject):
    """An option of the resolver."""

    name: Short = Field(description="Name, such as ndots.")
    value: Short | None = Field(default=None, description="Value.")


class DNSConfig(APIObject):
    """The resolver of the pod."""

    nameservers: tuple[Short, ...] | None = Field(
        default=None, max_length=3, json_schema_extra=ATOMIC_LIST, description="Addresses of name servers."
    )
    options: tuple[DNSOption, ...] | None = Field(
        default=None, max_length=8, json_schema_extra=ATOMIC_LIST, description="Options."
    )
    searches: tuple[Short, ...] | None = Field(
        default=None, max_length=16, json_schema_extra=ATOMIC_LIST, description="Search domains."
    )


class HostAlias(APIObject):
    """A line of the pod's hosts file."""

    ip: Annotated[str, Field(min_length=1, max_length=45)] = Field(description="Address.")
    hostnames: tuple[Short, ...] = Field(
        min_length=1, max_length=8, json_schema_extra=ATOMIC_LIST, description="Names of the address."
    )


class PodSpec(APIObject):
    """Fields of a PodSpec. Lists with named items are merged by name; other lists replace the operator's lists."""

    affinity: Affinity | None = Field(
        default=None, description="Scheduling rules that depend on the node or on other pods."
    )
    automount_service_account_token: bool | None = Field(
        default=None, description="Whether the pod has a token of its service account. Default: false."
    )
    containers: tuple[Container, ...] | None = Field(
        default=None,
        max_length=4,
        json_schema_extra=list_map("name"),
        description="Containers: changes to `tgi`, and sidecars.",
    )
    dns_config: DNSConfig | None = Field(default=None, description="The resolver of the pod.")
    dns_policy: Literal["ClusterFirst", "Default", "None"] | None = Field(
        default=None, description="Source of the resolver's settings. Default: ClusterFirst."
    )
    host_aliases: tuple[HostAlias, ...] | None = Field(
        default=None, max_length=16, json_schema_extra=list_map("ip"), description="Lines of the hosts file."
    )
    image_pull_secrets: tuple[LocalReference, ...] | None = Field(
        default=None, max_length=8, json_schema_extra=list_map("name"), description="Secrets for container registries."
    )
    init_containers: tuple[InitContainer, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=list_map("name"), description="Init containers."
    )
    priority_class_name: ObjectName | None = Field(default=None, description="Priority class.")
    runtime_class_name: ObjectName | None = Field(default=None, description="Runtime class.")
    scheduler_name: ObjectName | None = Field(default=None, description="Scheduler. Default: default-scheduler.")
    security_context: PodSecurityContext | None = Field(default=None, description="Security context of the pod.")
    service_account_name: ObjectName | None = Field(
        default=None, description="Service account of the pods, but not of the Job that downloads weights."
    )
    tolerations: tuple[Toleration, ...] | None = Field(
        default=None, max_length=32, json_schema_extra=ATOMIC_LIST, description="Taints that the pods tolerate."
    )
    topology_spread_constraints: tuple[SpreadConstraint, ...] | None = Field(
        default=None, max_length=4, json_schema_extra=list_map("topologyKey"), description="How the pods are spread."
    )
    volumes: tuple[Volume, ...] | None = Field(
        default=None, max_length=16, json_schema_extra=list_map("name"), description="Volumes, merged by name."
    )


class PodTemplate(APIObject):
    """Changes to TGI's pod."""

    metadata: Metadata | None = Field(default=None, description="Labels and annotations of the pods.")
    spec: PodSpec | None = Field(default=None, description="Changes to the pod.")
