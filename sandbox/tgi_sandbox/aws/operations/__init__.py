"""The SageMaker operations that the emulator implements, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tgi_sandbox.aws.operations.configs import (
    create_endpoint_config,
    delete_endpoint_config,
    describe_endpoint_config,
    list_endpoint_configs,
)
from tgi_sandbox.aws.operations.descriptions import describe_endpoint, list_endpoints
from tgi_sandbox.aws.operations.endpoints import (
    create_endpoint,
    delete_endpoint,
    update_endpoint,
    update_endpoint_weights_and_capacities,
)
from tgi_sandbox.aws.operations.models import create_model, delete_model, describe_model, list_models
from tgi_sandbox.aws.operations.tags import add_tags, delete_tags, list_tags

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tgi_sandbox.aws.operations.call import Operation

OPERATIONS: Final[Mapping[str, Operation]] = {
    "AddTags": add_tags,
    "CreateEndpoint": create_endpoint,
    "CreateEndpointConfig": create_endpoint_config,
    "CreateModel": create_model,
    "DeleteEndpoint": delete_endpoint,
    "DeleteEndpointConfig": delete_endpoint_config,
    "DeleteModel": delete_model,
    "DeleteTags": delete_tags,
    "DescribeEndpoint": describe_endpoint,
    "DescribeEndpointConfig": describe_endpoint_config,
    "DescribeModel": describe_model,
    "ListEndpointConfigs": list_endpoint_configs,
    "ListEndpoints": list_endpoints,
    "ListModels": list_models,
    "ListTags": list_tags,
    "UpdateEndpoint": update_endpoint,
    "UpdateEndpointWeightsAndCapacities": update_endpoint_weights_and_capacities,
}
