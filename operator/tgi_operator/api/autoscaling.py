"""`spec.autoscaling`: the same words for both backends, those of autoscaling/v2 where it has any."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tgi_operator.api.formats import Form, Format, OwnName
from tgi_operator.api.objects import ATOMIC_LIST, APIObject, Int32, Positive, Quantity, cel, list_map

Seconds = Annotated[Int32, Field(ge=0, le=3600)]


class MetricType(StrEnum):
    """What is measured."""

    CONCURRENT_REQUESTS = "ConcurrentRequests"
    QUEUE_DEPTH = "QueueDepth"
    INVOCATIONS_PER_INSTANCE = "InvocationsPerInstance"
    CLOUD_WATCH = "CloudWatch"


IN_CLUSTER_METRICS = (MetricType.CONCURRENT_REQUESTS, MetricType.QUEUE_DEPTH)
SAGEMAKER_METRICS = (MetricType.CONCURRENT_REQUESTS, MetricType.INVOCATIONS_PER_INSTANCE, MetricType.CLOUD_WATCH)


class MetricTarget(APIObject):
    """What the metric is kept at."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            ("has(self.averageValue) != has(self.value)", "exactly one of averageValue and value must be set"),
        )
    }

    average_value: Quantity | None = Field(default=None, description="For each instance or pod.")
    value: Quantity | None = Field(default=None, description="As it is: of a CloudWatch metric.")


class Statistic(StrEnum):
    """`MetricStatistic` of Application Auto Scaling."""

    AVERAGE = "Average"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    SAMPLE_COUNT = "SampleCount"
    SUM = "Sum"


class Dimension(APIObject):
    """A dimension of a CloudWatch metric."""

    name: str = Field(min_length=1, max_length=255, description="Name.")
    value: str = Field(min_length=1, max_length=1024, description="Value.")


class CloudWatchMetric(APIObject):
    """One metric of CloudWatch."""

    id: str | None = Field(
        default=None, max_length=255, pattern=r"^[a-z][a-zA-Z0-9_]*$", description="Its name in `expression`."
    )
    namespace: str = Field(min_length=1, max_length=255, description="Namespace, such as /aws/sagemaker/Endpoints.")
    metric_name: str = Field(min_length=1, max_length=255, description="Name, such as GPUUtilization.")
    statistic: Statistic = Field(description="Statistic of one minute.")
    dimensions: tuple[Dimension, ...] | None = Field(
        default=None,
        max_length=10,
        json_schema_extra=list_map("name"),
        description="Dimensions. Absent: EndpointName and VariantName of this endpoint.",
    )


class CloudWatch(APIObject):
    """Metrics of CloudWatch, and what is made of them."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "size(self.metrics) == 1 || has(self.expression)",
                "several metrics need an expression that makes one number of them",
            ),
            (
                "!has(self.expression) || self.metrics.all(m, has(m.id))",
                "each metric needs an id by which the expression names it",
            ),
        )
    }

    metrics: tuple[CloudWatchMetric, ...] = Field(
        min_length=1,
        max_length=5,
        json_schema_extra=ATOMIC_LIST,
        description="The metrics.",
    )
    expression: str | None = Field(
        default=None, min_length=1, max_length=2048, description="Metric math over the ids, such as `queue / hosts`."
    )


class Metric(APIObject):
    """A metric, and what it is kept at by changing the number of replicas."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "has(self.cloudWatch) == (self.type == 'CloudWatch')",
                "cloudWatch goes with type CloudWatch, and only so",
            ),
            (
                "has(self.target.value) == (self.type == 'CloudWatch')",
                "target.value is of CloudWatch metrics; all others are averages: use target.averageValue",
            ),
        )
    }

    type: MetricType = Field(
        description="`ConcurrentRequests`: requests that run or wait. `QueueDepth`: requests that wait, of pods. "
        "`InvocationsPerInstance`: requests a minute, on SageMaker. `CloudWatch`: any metric, on SageMaker."
    )
    target: MetricTarget = Field(description="What it is kept at.")
    cloud_watch: CloudWatch | None = Field(default=None, description="The metric of type CloudWatch.")


class PolicyType(StrEnum):
    """`HPAScalingPolicyType` of autoscaling/v2."""

    PODS = "Pods"
    PERCENT = "Percent"


class ScalingPolicy(APIObject):
    """How much may change within a time."""

    type: PolicyType = Field(description="Pods, or percent of them.")
    value: Positive = Field(description="So many.")
    period_seconds: Annotated[Int32, Field(ge=1, le=1800)] = Field(description="Within this time.")


class SelectPolicy(StrEnum):
    """`ScalingPolicySelect` of autoscaling/v2."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class ScalingRules(APIObject):
    """How fast the number changes in one direction."""

    stabilization_window_seconds: Seconds | None = Field(
        default=None,
        description="Pods: the most careful of the numbers computed within this time is taken; absent: 0 up, 300 down. "
        "SageMaker: the pause after a scaling before the next one (cooldown); absent: 60 up, 300 down.",
    )
    select_policy: SelectPolicy | None = Field(
        default=None,
        description="Which of the policies counts; Disabled: never in this direction. On SageMaker only scaleDown can "
        "be Disabled.",
    )
    policies: tuple[ScalingPolicy, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        json_schema_extra=ATOMIC_LIST,
        description="How much may change, of pods only.",
    )


class Behavior(APIObject):
    """How fast the number of replicas changes."""

    scale_up: ScalingRules | None = Field(default=None, description="Upwards.")
    scale_down: ScalingRules | None = Field(default=None, description="Downwards.")


_CRON_FIELD = "[0-9A-Za-z*,/-]{1,64}"
Cron = Annotated[
    str,
    Field(max_length=128),
    Format(
        Form(
            f"^{_CRON_FIELD}( {_CRON_FIELD}){{4}}$",
            "must be cron's five fields (minute hour day-of-month month day-of-week), such as 0 8 * * MON-FRI",
        )
    ),
]


class Schedule(APIObject):
    """Other bounds for certain hours."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            ("has(self.minReplicas) || has(self.maxReplicas)", "minReplicas or maxReplicas must be set"),
        )
    }

    name: OwnName = Field(description="Name.")
    time_zone: Annotated[
        str,
        Field(max_length=64),
        Format(Form("^[A-Za-z0-9_+/-]+$", "must be an IANA time zone, such as Europe/Madrid or UTC")),
    ] = Field(
        default="UTC",
        description="IANA time zone, such as Europe/Madrid.",
    )
    start: Cron = Field(
        description="When it begins, in cron's five fields: minute hour day-of-month month day-of-week."
    )
    end: Cron = Field(description="When the bounds of `autoscaling` apply again.")
    min_replicas: Positive | None = Field(default=None, description="At least so many. Absent: as `autoscaling` says.")
    max_replicas: Positive | None = Field(default=None, description="At most so many. Absent: as `autoscaling` says.")


class Autoscaling(APIObject):
    """The number of replicas follows the load."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "self.minReplicas >= 1",
                "minReplicas must be at least 1: neither a real-time endpoint nor a metric of pods wakes up from zero",
            ),
            ("self.minReplicas <= self.maxReplicas", "minReplicas must not be greater than maxReplicas"),
            (
                (
                    "!has(self.schedules) || self.schedules.all(s, "
                    "(has(s.minReplicas) ? s.minReplicas : self.minReplicas) <= "
                    "(has(s.maxReplicas) ? s.maxReplicas : self.maxReplicas))"
                ),
                "a schedule's minReplicas must not be greater than its maxReplicas, or else than autoscaling's",
            ),
            (
                (
                    "!has(self.metrics) || self.metrics.all(m, m.type == 'CloudWatch' || "
                    "self.metrics.exists_one(n, n.type == m.type))"
                ),
                "each metric type but CloudWatch may be there once",
            ),
        )
    }

    min_replicas: Annotated[Int32, Field(ge=0, le=10_000)] = Field(
        default=1, description="At least so many, 1 or more."
    )
    max_replicas: Annotated[Int32, Field(ge=1, le=10_000)] = Field(description="At most so many.")
    metrics: tuple[Metric, ...] = Field(
        default=(),
        max_length=5,
        json_schema_extra=ATOMIC_LIST,
        description="The metric that asks for most replicas wins. Absent: ConcurrentRequests at 5 on SageMaker, "
        "QueueDepth at 5 of pods.",
    )
    behavior: Behavior = Field(default=Behavior(), description="How fast the number changes.")
    schedules: tuple[Schedule, ...] = Field(
        default=(),
        max_length=20,
        json_schema_extra=list_map("name"),
        description="Other bounds for certain hours. The latest start or end of any of them decides.",
    )
