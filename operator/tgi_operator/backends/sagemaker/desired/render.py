"""spec -> AWS requests. Pure: the same spec, secrets and image give the same requests and revision, for years."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tgi_operator.api.sagemaker import SageMaker
from tgi_operator.api.spec import Runtime, Spec
from tgi_operator.backends import naming
from tgi_operator.backends.resource import Resource
from tgi_operator.backends.sagemaker.desired import names, scaling_policies
from tgi_operator.backends.sagemaker.desired.places import Place
from tgi_operator.backends.sagemaker.desired.scaling_policies import Scaling
from tgi_operator.backends.secret_values import SecretValues
from tgi_operator.engines.tgi import images, launcher_options
from tgi_operator.hardware.instances import instance
from tgi_operator.models import sharding, sizes

Request = dict[str, Any]

MODEL_DIRECTORY = "/opt/ml/model"
"""Folder into which SageMaker copies a ModelDataSource. TGI does not look there by default."""

_LEGACY_TOKEN_BEFORE = (2, 0, 0)


@dataclass(frozen=True)
class Desired:
    """The desired objects on SageMaker: one model, one configuration and one endpoint.

    `rendered_from` is the digest of the fields that it was rendered from. If `replicas` is None, the current count is
    kept. If `scaling` is None, the instance count does not follow the load.
    """

    place: Place
    revision: str
    rendered_from: str
    image: str
    model: Request = field(repr=False)
    config: Request
    replicas: int | None
    tags: Mapping[str, str]
    scaling: Scaling | None = None
    secrets: SecretValues = field(default_factory=SecretValues, repr=False)
    former_rendered_from: str = field(default="", repr=False)
    """The digest as earlier versions computed it, from the token itself."""

    @property
    def set_name(self) -> str:
        """Name of the model and of the configuration."""
        return names.set_name(self.place.endpoint, self.revision)

    @property
    def instance_type(self) -> str:
        """The instance type, such as ml.g5.12xlarge."""
        return str(self.config["ProductionVariants"][0]["InstanceType"])

    @property
    def patience_seconds(self) -> int:
        """Seconds that AWS can take for one change: startup and download at their limits, and an hour for the rest."""
        variant = self.config["ProductionVariants"][0]
        waits = ("ContainerStartupHealthCheckTimeoutInSeconds", "ModelDataDownloadTimeoutInSeconds")
        return 3600 + sum(int(variant[wait]) for wait in waits)

    def create_model(self) -> Request:
        """Return the CreateModel request."""
        return {"ModelName": self.set_name, **self.model, "Tags": names.to_list(self.tags)}

    def create_endpoint_config(self, replicas: int) -> Request:
        """Return the CreateEndpointConfig request for a fleet of `replicas` instances."""
        variant = {"ModelName": self.set_name, "InitialInstanceCount": replicas, **self.config["ProductionVariants"][0]}
        return {
            "EndpointConfigName": self.set_name,
            **self.config,
            "ProductionVariants": [variant],
            "Tags": names.to_list({**self.tags, names.TAG_RENDERED_FROM: self.rendered_from}),
        }

    def create_endpoint(self) -> Request:
        """Return the CreateEndpoint request."""
        return {
            "EndpointName": self.place.endpoint,
            "EndpointConfigName": self.set_name,
            "Tags": names.to_list(self.tags),
        }

    def update_endpoint(self) -> Request:
        """Return the UpdateEndpoint request. Without replicas in the spec, the live count is kept."""
        return {
            "EndpointName": self.place.endpoint,
            "EndpointConfigName": self.set_name,
            "RetainAllVariantProperties": self.replicas is None,
        }

    def scale(self, replicas: int) -> Request:
        """Return the UpdateEndpointWeightsAndCapacities request."""
        return {
            "EndpointName": self.place.endpoint,
            "DesiredWeightsAndCapacities": [{"VariantName": names.VARIANT, "DesiredInstanceCount": replicas}],
        }


def image(runtime: Runtime, region: str, running: str | None) -> str:
    """Return the named image, or that of the named version, or the running one, or the newest of the catalog.

    A spec without a version keeps `running`, so that an upgrade of the operator changes no endpoint. Raises
    images.UnknownImageError.
    """
    if runtime.image is not None:
        return runtime.image
    if runtime.version is None and running is not None:
        return running
    return images.image(runtime.version or images.newest_version(), region)


def follows_running_image(runtime: Runtime) -> bool:
    """Return whether the spec leaves the image to the operator, which keeps the one that runs."""
    return runtime.image is None and runtime.version is None


def desired(
    where: Place, resource: Resource, spec: Spec, target: SageMaker, secrets: SecretValues, running: str | None
) -> Desired:
    """Return the desired objects at a place for a resource that passed the checks.

    `secrets` are the values that the spec takes from Secrets. `running` is the image that runs, or None if it is not
    known.
    """
    image_uri, token = image(spec.runtime, target.region, running), secrets.token
    model = _model(spec, target, image_uri, token.value if token is not None else None, secrets.environment)
    config = _config(spec, target, image_uri)
    # The revision is public, and a digest of the values themselves would let everyone test guesses.
    identified = _model(spec, target, image_uri, token.fingerprint if token is not None else None, {})
    rendered_from, former = naming.inputs_digests(resource, secrets, target)
    variables = secrets.env_fingerprint(secrets.env)
    identity = {"model": identified, "config": config} | ({} if variables is None else {"secrets": variables})
    content = json.dumps(identity, sort_keys=True)
    return Desired(
        place=where,
        revision=naming.revision(content),
        rendered_from=rendered_from,
        former_rendered_from=former,
        secrets=secrets,
        image=image_uri,
        model=model,
        config=config,
        replicas=spec.replicas,
        tags={tag.key: tag.value for tag in target.tags} | names.owner_tags(resource.owner),
        scaling=scaling_policies.wanted(spec.autoscaling, where.endpoint) if spec.autoscaling is not None else None,
    )


def _model(spec: Spec, target: SageMaker, image_uri: str, token: str | None, secret_env: Mapping[str, str]) -> Request:
    variables = {**environment(spec, target, image_uri, token), **secret_env}
    container: Request = {"Image": image_uri, "Environment": variables}
    if not spec.model.on_hub:
        source = {"S3Uri": spec.model.uri, "S3DataType": "S3Prefix", "CompressionType": "None"}
        container["ModelDataSource"] = {"S3DataSource": source}
    request: Request = {"PrimaryContainer": container, "ExecutionRoleArn": target.execution_role_arn}
    if target.vpc_config is not None:
        request["VpcConfig"] = {
            "SecurityGroupIds": sorted(target.vpc_config.security_group_ids),
            "Subnets": sorted(target.vpc_config.subnets),
        }
    if target.enable_network_isolation:
        request["EnableNetworkIsolation"] = True
    return request


def environment(spec: Spec, target: SageMaker, image_uri: str, token: str | None) -> dict[str, str]:
    """Return the environment of the container, as TGI's sagemaker-entrypoint.sh reads it, without `secret_env`."""
    version = images.tgi_version(image_uri)
    gpus = instance(target.instance_type).count
    shards = spec.runtime.num_shard or sharding.default_shards(spec.model, gpus)
    values = launcher_options.options(spec.runtime, version)
    values["HF_MODEL_ID"] = spec.model.hub_id if spec.model.on_hub else MODEL_DIRECTORY
    values["SM_NUM_GPUS"] = str(shards)
    if spec.model.revision is not None:
        values["HF_MODEL_REVISION"] = spec.model.revision
    if token is not None:
        values["HF_TOKEN"] = token
        if version is not None and version < _LEGACY_TOKEN_BEFORE:
            values["HUGGING_FACE_HUB_TOKEN"] = token
    return values


def _config(spec: Spec, target: SageMaker, image_uri: str) -> Request:
    startup = target.container_startup_health_check_timeout_in_seconds or sizes.startup_seconds(spec.model.uri)
    variant: Request = {
        "VariantName": names.VARIANT,
        "InstanceType": target.instance_type,
        "ContainerStartupHealthCheckTimeoutInSeconds": startup,
        "ModelDataDownloadTimeoutInSeconds": target.model_data_download_timeout_in_seconds or startup,
    }
    if target.volume_size_in_gb is not None:
        variant["VolumeSizeInGB"] = target.volume_size_in_gb
    ami = target.inference_ami_version or inference_ami_version(image_uri)
    if ami is not None:
        variant["InferenceAmiVersion"] = ami
    if target.routing_config is not None:
        variant["RoutingConfig"] = {"RoutingStrategy": str(target.routing_config.routing_strategy)}
    request: Request = {"ProductionVariants": [variant]}
    if target.kms_key_id is not None:
        request["KmsKeyId"] = target.kms_key_id
    return request


def inference_ami_version(image_uri: str) -> str | None:
    """Return the host image whose driver fits the CUDA version of a container image, or None for SageMaker's default.

    The default host has driver 470, which is too old for CUDA 12. A CUDA 13 host keeps CUDA 12 containers from starting
    (InferenceAmiVersion of the SageMaker API: 550 / CUDA 12.4, 580 / CUDA 13.0). An image without a CUDA version in its
    tag is assumed to use CUDA 12, like all TGI images since 1.2.
    """
    major, _ = images.cuda_version(image_uri) or (12, 0)
    if major < 12:
        return None
    return "al2-ami-sagemaker-inference-gpu-3-1" if major == 12 else "al2023-ami-sagemaker-inference-gpu-4-1"
