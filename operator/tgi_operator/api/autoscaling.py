"""`spec.autoscaling`: the same fields for both backends, named as in autoscaling/v2 if it has them."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from tgi_operator.api.formats import Form, Format, OwnName
from tgi_operator.api.objects import ATOMIC_LIST, APIObject, Int32, Positive, Quantity, cel, list_map

Seconds = Annotated[Int32, Field(ge=0, le=3600)]


class MetricType(StrEnum):
    """The measured quantity."""

    CONCURRENT_REQUESTS = "ConcurrentRequests"
    QUEUE_DEPTH = "QueueDepth"
    INVOCATIONS_PER_INSTANCE = "InvocationsPerInstance"
    CLOUD_WATCH = "CloudWatch"


IN_CLUSTER_METRICS = (MetricType.CONCURRENT_REQUESTS, MetricType.QUEUE_DEPTH)
SAGEMAKER_METRICS = (MetricType.CONCURRENT_REQUESTS, MetricType.INVOCATIONS_PER_INSTANCE, MetricType.CLOUD_WATCH)


class MetricTarget(APIObject):
    """Target value of a metric."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            ("has(self.averageValue) != has(self.value)", "exactly one of averageValue and value must be set"),
        )
    }

    average_value: Quantity | None = Field(
        default=None, description="Target average for each instance or pod, such as 5."
    )
    value: Quantity | None = Field(default=None, description="Target value of a CloudWatch metric, such as 70.")


class Statistic(StrEnum):
    """`MetricStatistic` of Application Auto Scaling."""

    AVERAGE = "Average"
    MINIMUM = "Minimum"
    MAXIMUM = "Maximum"
    SAMPLE_COUNT = "SampleCount"
    SUM = "Sum"


class Dimension(APIObject):
    """A dimension of a CloudWatch metric."""

    name: str = Field(min_length=1, max_length=255, description="Name of the dimension, such as EndpointName.")
    value: str = Field(
        min_length=1, max_length=1024, description="Value of the dimension, such as the name of the endpoint."
    )


class CloudWatchMetric(APIObject):
    """A CloudWatch metric."""

    id: str | None = Field(
        default=None,
        max_length=255,
        pattern=r"^[a-z][a-zA-Z0-9_]*$",
        description="Name by which `expression` refers to the metric, such as queue.",
    )
    namespace: str = Field(
        min_length=1, max_length=255, description="CloudWatch namespace, such as /aws/sagemaker/Endpoints."
    )
    metric_name: str = Field(
        min_length=1, max_length=255, description="Name of the metric in CloudWatch, such as GPUUtilization."
    )
    statistic: Statistic = Field(description="Statistic for each one-minute period, such as Average.")
    dimensions: tuple[Dimension, ...] | None = Field(
        default=None,
        max_length=10,
        json_schema_extra=list_map("name"),
        description="Dimensions of the metric. Default: the EndpointName and VariantName of this endpoint.",
    )


class CloudWatch(APIObject):
    """CloudWatch metrics, and the expression that combines them."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "size(self.metrics) == 1 || has(self.expression)",
                "if there is more than one metric, expression must be set to combine the metrics into one value",
            ),
            (
                "!has(self.expression) || self.metrics.all(m, has(m.id))",
                "if expression is set, each metric must have an id",
            ),
        )
    }

    metrics: tuple[CloudWatchMetric, ...] = Field(
        min_length=1,
        max_length=5,
        json_schema_extra=ATOMIC_LIST,
        description="The metric to track, or multiple metrics that `expression` combines.",
    )
    expression: str | None = Field(
        default=None,
        min_length=1,
        max_length=2048,
        description="Metric math expression that uses the IDs of the metrics, such as `queue / hosts`.",
    )


class Metric(APIObject):
    """A metric and its target value. The autoscaler adjusts the replica count to keep the metric at this value."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "has(self.cloudWatch) == (self.type == 'CloudWatch')",
                "cloudWatch must be set if type is CloudWatch and must not be set for other types",
            ),
            (
                "has(self.target.value) == (self.type == 'CloudWatch')",
                "target.value must be set if type is CloudWatch, and target.averageValue must be set for other types",
            ),
        )
    }

    type: MetricType = Field(
        description="`ConcurrentRequests`: running and queued requests. `QueueDepth`: queued requests (pods only). "
        "`InvocationsPerInstance`: requests per minute (SageMaker only). `CloudWatch`: any CloudWatch metric "
        "(SageMaker only)."
    )
    target: MetricTarget = Field(description="Target value of the metric.")
    cloud_watch: CloudWatch | None = Field(
        default=None, description="CloudWatch metric to track if `type` is `CloudWatch`."
    )


class PolicyType(StrEnum):
    """`HPAScalingPolicyType` of autoscaling/v2."""

    PODS = "Pods"
    PERCENT = "Percent"


class ScalingPolicy(APIObject):
    """A limit on the number of pods that are added or removed in a period."""

    type: PolicyType = Field(
        description="Unit of `value`: `Pods` (a number of pods) or `Percent` (a percentage of the current pods)."
    )
    value: Positive = Field(
        description="Maximum number or percentage of pods to add or remove in each period, such as 2."
    )
    period_seconds: Annotated[Int32, Field(ge=1, le=1800)] = Field(
        description="Length of the period in seconds, such as 60."
    )


class SelectPolicy(StrEnum):
    """`ScalingPolicySelect` of autoscaling/v2."""

    MAX = "Max"
    MIN = "Min"
    DISABLED = "Disabled"


class ScalingRules(APIObject):
    """How fast the replica count changes in one direction."""

    stabilization_window_seconds: Seconds | None = Field(
        default=None,
        description="For pods, the seconds of past recommendations from which the autoscaler uses the most "
        "conservative one. Default: 0 for scaleUp and 300 for scaleDown. On SageMaker, the cooldown in seconds. "
        "Default: 60 for scaleUp and 300 for scaleDown.",
    )
    select_policy: SelectPolicy | None = Field(
        default=None,
        description="Policy that applies: the one that allows the largest change (`Max`) or the smallest change "
        "(`Min`). `Disabled`: no scaling in this direction. SageMaker supports only `Disabled`, and only for "
        "scaleDown.",
    )
    policies: tuple[ScalingPolicy, ...] | None = Field(
        default=None,
        min_length=1,
        max_length=8,
        json_schema_extra=ATOMIC_LIST,
        description="Limits on the number of pods that are added or removed in a period. For pods only.",
    )


class Behavior(APIObject):
    """How fast the replica count changes."""

    scale_up: ScalingRules | None = Field(default=None, description="How fast the replica count increases.")
    scale_down: ScalingRules | None = Field(default=None, description="How fast the replica count decreases.")


_CRON_FIELD = "[0-9A-Za-z*,/-]{1,64}"
Cron = Annotated[
    str,
    Field(max_length=128),
    Format(
        Form(
            f"^{_CRON_FIELD}( {_CRON_FIELD}){{4}}$",
            "must be five cron fields (minute hour day-of-month month day-of-week), such as 0 8 * * MON-FRI",
        )
    ),
]


class Schedule(APIObject):
    """Scaling bounds for certain hours."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            ("has(self.minReplicas) || has(self.maxReplicas)", "minReplicas or maxReplicas must be set"),
        )
    }

    name: OwnName = Field(description="Name of the schedule, such as office-hours.")
    time_zone: Annotated[
        str,
        Field(max_length=64),
        Format(Form("^[A-Za-z0-9_+/-]+$", "must be an IANA time zone, such as Europe/Madrid or UTC")),
    ] = Field(
        default="UTC",
        description="IANA time zone of `start` and `end`, such as Europe/Madrid.",
    )
    start: Cron = Field(
        description="When the schedule starts, as five cron fields (minute, hour, day of month, month, day of week), "
        "such as `0 8 * * MON-FRI`."
    )
    end: Cron = Field(
        description="When the schedule ends, as five cron fields. The bounds of `autoscaling` then apply again."
    )
    min_replicas: Positive | None = Field(
        default=None, description="Lower bound on the replica count. Default: the lower bound in `autoscaling`."
    )
    max_replicas: Positive | None = Field(
        default=None, description="Upper bound on the replica count. Default: the upper bound in `autoscaling`."
    )


class Autoscaling(APIObject):
    """Settings for autoscaling, which adjusts the replica count to the load."""

    model_config = APIObject.model_config | {
        "json_schema_extra": cel(
            (
                "self.minReplicas >= 1",
                (
                    "minReplicas must be at least 1 because neither real-time endpoints nor metrics from pods allow "
                    "scaling up from zero"
                ),
            ),
            ("self.minReplicas <= self.maxReplicas", "minReplicas must not be greater than maxReplicas"),
            (
                (
                    "!has(self.schedules) || self.schedules.all(s, "
                    "(has(s.minReplicas) ? s.minReplicas : self.minReplicas) <= "
                    "(has(s.maxReplicas) ? s.maxReplicas : self.maxReplicas))"
                ),
                (
                    "minReplicas of a schedule must not be greater than its maxReplicas; a bound that is not set "
                    "defaults to the bound in autoscaling"
                ),
            ),
            (
                (
                    "!has(self.metrics) || self.metrics.all(m, m.type == 'CloudWatch' || "
                    "self.metrics.exists_one(n, n.type == m.type))"
                ),
                "each metric type except CloudWatch may appear only once",
            ),
        )
    }

    min_replicas: Annotated[Int32, Field(ge=0, le=10_000)] = Field(
        default=1, description="Lower bound on the replica count."
    )
    max_replicas: Annotated[Int32, Field(ge=1, le=10_000)] = Field(
        description="Upper bound on the replica count, such as 4."
    )
    metrics: tuple[Metric, ...] = Field(
        default=(),
        max_length=5,
        json_schema_extra=ATOMIC_LIST,
        description="Metrics to track. The metric that requires the most replicas determines the replica count. "
        "Default: ConcurrentRequests with a target of 5 on SageMaker, and QueueDepth with a target of 5 for pods.",
    )
    behavior: Behavior = Field(default=Behavior(), description="How fast the replica count changes.")
    schedules: tuple[Schedule, ...] = Field(
        default=(),
        max_length=20,
        json_schema_extra=list_map("name"),
        description="Bounds for certain hours. The most recent start or end of a schedule determines which bounds are "
        "in effect.",
    )
