"""The errors that AWS returns: code, HTTP status and exact text.

SageMaker has one code, `ValidationException`, for nearly everything, so callers distinguish errors by their text.
Texts are those of real responses quoted in public issues, unless the comment is marked `assumed`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class AwsError(Exception):
    """An error response: `code` goes to `__type`, `message` to the body."""

    code: str
    message: str
    status: int = 400

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


def validation(message: str) -> AwsError:
    """SageMaker's error for anything that it does not accept."""
    return AwsError("ValidationException", message)


def not_found(kind: str, arn: str) -> AwsError:
    """The resource does not exist; `kind` is `endpoint`, `endpoint configuration` or `model`."""
    return validation(f'Could not find {kind} "{arn}".')


def already_exists(kind: str, arn: str) -> AwsError:
    """The name is already in use."""
    return validation(f'Cannot create already existing {kind} "{arn}".')


def in_progress(arn: str) -> AwsError:
    """The endpoint is changing state; DeleteEndpoint and UpdateEndpointWeightsAndCapacities report `update` too."""
    return validation(f'Cannot update in-progress endpoint "{arn}".')


def same_config(name: str) -> AwsError:
    """UpdateEndpoint names the configuration that the endpoint already runs."""
    return validation(f'Cannot update endpoint with the currently in use endpoint configuration "{name}".')


def failed_endpoint(arn: str) -> AwsError:
    """Only DeleteEndpoint is possible on a Failed endpoint (DescribeEndpoint reference; the text is assumed)."""
    return validation(f'Cannot update endpoint "{arn}" in status Failed.')


def quota_exceeded(instance_type: str, limit: int, used: int, delta: int) -> AwsError:
    """The quota does not allow `delta` more instances of the type."""
    return AwsError(
        "ResourceLimitExceeded",
        f"The account-level service limit '{instance_type} for endpoint usage' is {limit} Instances, with current "
        f"utilization of {used} Instances and a request delta of {delta} Instances. Please use AWS Service Quotas to "
        "request an increase for this quota. If AWS Service Quotas is not available, contact AWS support to request "
        "an increase for this quota.",
    )


def throttled() -> AwsError:
    """Too many calls."""
    return AwsError("ThrottlingException", "Rate exceeded")


def access_denied(user: str, operation: str, resource: str, service: str = "sagemaker") -> AwsError:
    """No identity-based policy allows the operation to a user, named by its ARN."""
    return AwsError(
        "AccessDeniedException",
        f"User: {user} is not authorized to perform: "
        f"{service}:{operation} on resource: {resource} because no identity-based policy allows the "
        f"{service}:{operation} action",
    )


def deregistration_denied() -> AwsError:
    """DeleteEndpoint would deregister a scalable target, which its caller is not allowed to do."""
    # assumed: the code.
    return validation(
        "An Application AutoScaling scalable target exists for a variant being deleted, and the IAM identity used to "
        "invoke DeleteEndpoint does not have application-autoscaling:DeregisterScalableTarget permission to deregister "
        "the scalable target."
    )


def bad_token() -> AwsError:
    """A List operation got a NextToken that is not valid for it."""
    # assumed: the text.
    return validation("Invalid pagination token.")


def expired_token() -> AwsError:
    """The caller's credentials are expired."""
    return AwsError("ExpiredTokenException", "The security token included in the request is expired")


def unavailable() -> AwsError:
    """The region is not available (AWS common errors)."""
    return AwsError("ServiceUnavailable", "The request has failed due to a temporary failure of the server.", 503)


def unknown_operation(operation: str, service: str = "SageMaker") -> AwsError:
    """The emulator does not implement the operation; AWS returns this error for names that it does not know."""
    return AwsError("UnknownOperationException", f"The emulator does not implement {service}.{operation}")


def invalid_role(role: str) -> AwsError:
    """SageMaker cannot assume the execution role, or the role does not exist."""
    return validation(
        f'The execution role ARN "{role}" is invalid. Please ensure that the role exists and that its trust '
        'relationship policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com".'
    )


def unreadable_model_data(url: str, role: str, region: str) -> AwsError:
    """The execution role cannot read the model's data, or it does not exist (philschmid/llm-sagemaker-sample#2)."""
    return validation(
        f'Could not access model data at {url}. Please ensure that the role "{role}" exists and that its trust '
        'relationship policy allows the action "sts:AssumeRole" for the service principal "sagemaker.amazonaws.com". '
        f'Also ensure that the role has "s3:GetObject" permissions and that the object is located in {region}. If your '
        "Model uses multiple models or uncompressed models, please ensure that the role has "
        '"s3:ListBucket" permission.'
    )


def image_not_found(image: str) -> AwsError:
    """ECR has no such image (aws-samples/easy-amazon-sagemaker-deployments#4)."""
    return validation(f"Requested image {image} not found.")


def image_outside_ecr(image: str) -> AwsError:
    """An image of another registry needs ImageConfig with RepositoryAccessMode Vpc (aws/sagemaker-python-sdk#4700)."""
    return validation(f'Using non-ECR image "{image}" without Vpc repository access mode is not supported.')


def internal(message: str) -> AwsError:
    """The emulator has an internal error."""
    return AwsError("InternalFailure", message, 500)


def malformed_body() -> AwsError:
    """The body is not a JSON object."""
    return AwsError("SerializationException", "Start of structure or map found where not expected.")
